using NativeDiffusion.Bench.Arms;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Bench;

/// <summary>A network and a batch to measure.</summary>
/// <param name="Preset">Name of one of <see cref="Presets"/>.</param>
/// <param name="Batch">Images.</param>
public sealed record SamplerCase(string Preset, int Batch) : IComparable
{
    private static readonly string[] Order = ["tiny", "digits", "small32", "base64"];

    /// <summary>By network and batch, for tables.</summary>
    public int CompareTo(object? obj) => obj is SamplerCase other
        ? (Array.IndexOf(Order, Preset), Batch).CompareTo((Array.IndexOf(Order, other.Preset), other.Batch))
        : 1;

    /// <summary>Short for tables.</summary>
    public override string ToString() => $"{Preset}, {Batch}";

    internal UNetConfig Network => Preset switch
    {
        "tiny" => new UNetConfig
        {
            ImageSize = 8, InChannels = 1, OutChannels = 1, ModelChannels = 32, NumResBlocks = 1, ChannelMult = [1], AttentionResolutions = [], NumClasses = 3,
        },
        "digits" => Presets.Digits,
        "small32" => Presets.Small32,
        "base64" => Presets.Base64,
        _ => throw new ArgumentException($"No preset '{Preset}' is measured; there are digits, small32 and base64."),
    };

    internal DiffusionModel CreateModel(IKernels kernels)
    {
        var network = Network;
        return new DiffusionModel(network, new DiffusionSettings { ClassNames = [.. Enumerable.Range(0, network.NumClasses!.Value - 1).Select(i => $"{i}")] }, kernels);
    }
}

/// <summary>What the sampler benchmarks share.</summary>
internal static class BenchModels
{
    /// <summary>Guidance scale of all of them.</summary>
    public const double Scale = 3;

    /// <summary>The three ways.</summary>
    public static readonly string[] ArmNames = ["two passes", "one doubled batch, composed", "guided sampler"];

    /// <summary>One of the ways. On a device other than the CPU the composed ones run its own simple kernels.</summary>
    public static ISamplerArm Create(int arm, DiffusionModel model, SamplerTable table, int batch) => arm switch
    {
        2 => new FusedSampler(model, table, batch, Scale),
        _ when model.Kernels is CpuKernels => new ComposedSampler(model, table, batch, Scale, doubled: arm == 1),
        _ => new DeviceComposedSampler(model, table, batch, Scale, doubled: arm == 1),
    };

    /// <summary>DPM-Solver++(2M); without clipping on a device other than the CPU, for whose composed arms there is no such kernel.</summary>
    public static SamplerTable Table(DiffusionModel model, int steps) =>
        new SamplerSettings { Kind = SamplerKind.DpmSolver2M, Steps = steps, Clip = model.Kernels is CpuKernels }.Build(model);

    /// <summary>A step in the middle of 20 as a table of its own.</summary>
    public static SamplerTable MiddleStep(DiffusionModel model)
    {
        var table = Table(model, 20);
        return new SamplerTable(table.Name, [table.Rows[10]], table.InitialScale, table.PictureStart);
    }

    /// <summary>An arm on a step in the middle, with noise as its state.</summary>
    public static ISamplerArm Start(int arm, DiffusionModel model, SamplerTable table, int batch)
    {
        var started = Create(arm, model, table, batch);
        var config = model.Network.Config;
        started.Start(StepData.Noise(batch * config.ImageSize * config.ImageSize * config.InChannels, 1));
        return started;
    }
}
