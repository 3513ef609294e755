using ILGPU;
using IlgpuEmulator;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Tests.Emulator.Performance;

/// <summary>The launches of a guided sampler step on the GPU backend, recorded and not run: two evaluations and a composed step, or one plan.</summary>
internal sealed class SamplerStepPlans : IDisposable
{
    /// <summary>Simple kernels of the step without fusion: three products with sums for guidance, clean image and state, history, and one copy of each prediction.</summary>
    public const int ComposedLaunches = 11;

    private readonly GpuKernels _kernels;
    private readonly UNet _network;
    private readonly Parameters _parameters;

    public SamplerStepPlans(UNetConfig config)
    {
        var context = Context.CreateDefault();
        _kernels = new GpuKernels(context, context.GetPreferredDevice(preferCPU: false).CreateAccelerator(context));
        _network = new UNet(config);
        _parameters = new Parameters(_kernels);
        _network.Declare(_parameters);
    }

    public static UNetConfig Network(string preset) => preset switch { "digits" => Presets.Digits, "small32" => Presets.Small32, _ => Presets.Base64 };

    /// <summary>One evaluation of the network.</summary>
    public IReadOnlyList<LaunchCost> Forward(int batch)
    {
        var b = new PlanBuilder(_kernels, _parameters);
        b.Output("prediction", _network.Record(b, b.Input("x", Image(batch)), b.Input("timesteps", new Shape(batch)), b.Input("labels", new Shape(batch))));
        return Record(b);
    }

    /// <summary>The plan of the sampler: the doubled batch, with what the condition does not reach computed once, and the fused step.</summary>
    public IReadOnlyList<LaunchCost> Guided(int batch)
    {
        int rows = 2 * batch;
        var b = new PlanBuilder(_kernels, _parameters);
        var z = b.Input("z", Image(batch));
        var input = b.GatherRows(b.Scale(z, new Slot<float>(1)), b.Input("source_row", new Shape(rows)));
        var prediction = _network.Record(b, input, b.Input("timesteps", new Shape(rows)), b.Input("labels", new Shape(rows)));
        b.GuidedStep(
            new Slot<GuidedStepRow>(), new Slot<ulong>(), z, b.Input("sample_index", new Shape(batch)), prediction,
            b.Input("weight", new Shape(batch, 2)), b.Input("branch_row", new Shape(batch, 1)), b.Input("history", Image(batch)), b.Input("stored_state", Image(batch)), null);
        return Record(b);
    }

    public void Dispose()
    {
        _parameters.Dispose();
        _kernels.Dispose();
    }

    private static IReadOnlyList<LaunchCost> Record(PlanBuilder b)
    {
        var launches = new List<LaunchCost>();
        using var plan = b.Build();
        EmulatorOptions.Recorder = launch => launches.Add(LaunchCost.Of(launch));
        try
        {
            plan.Run();
        }
        finally
        {
            EmulatorOptions.Recorder = null;
        }
        return launches;
    }

    private Shape Image(int batch) => new(batch, _network.Config.ImageSize, _network.Config.ImageSize, _network.Config.InChannels);
}
