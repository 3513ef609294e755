using NativeDiffusion.Model;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Cli.Bench;

/// <summary>One guided DPM-Solver++ step by one plan over the doubled batch.</summary>
internal sealed class GuidedPass : BenchPass
{
    private readonly GuidedSampler _sampler;
    private readonly SampleRequest[] _requests;

    public GuidedPass(DiffusionModel model, int batch)
    {
        _sampler = new GuidedSampler(model, MiddleStep(model), new GuidedSamplerOptions { Batch = batch });
        _requests = [.. Labels(model, batch).Select((label, i) => new SampleRequest(label, new GuidanceScale(Scale), i))];
        _sampler.Sample(_requests, (_, _) => { });
    }

    /// <summary>The scale of both guided passes.</summary>
    public static double Scale => 3;

    public override double Flops => BenchMeasurement.Flops(Plan);

    public override long PlanBytes => Plan.PeakBytes;

    public override Plan Plan => _sampler.PlanFor(_requests.Length, 2 * _requests.Length);

    /// <summary>A step in the middle, the same for both guided passes, as a table of its own.</summary>
    public static SamplerTable MiddleStep(DiffusionModel model)
    {
        var table = new SamplerSettings { Kind = SamplerKind.DpmSolver2M, Steps = 20 }.Build(model);
        return new SamplerTable(table.Name, [table.Rows[10]], table.InitialScale);
    }

    public override void Run() => _sampler.Advance(_requests, 0);

    public override void Dispose() => _sampler.Dispose();
}
