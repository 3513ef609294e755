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
    private static readonly string[] Order = ["digits", "small32", "base64"];

    /// <summary>By network and batch, for tables.</summary>
    public int CompareTo(object? obj) => obj is SamplerCase other
        ? (Array.IndexOf(Order, Preset), Batch).CompareTo((Array.IndexOf(Order, other.Preset), other.Batch))
        : 1;

    /// <summary>Short for tables.</summary>
    public override string ToString() => $"{Preset}, {Batch}";

    internal UNetConfig Network => Preset switch
    {
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

    /// <summary>The three ways, by name.</summary>
    public static readonly (string Name, Func<DiffusionModel, SamplerTable, int, ISamplerArm> Create)[] Arms =
    [
        ("two passes", (model, table, batch) => new ComposedSampler(model, table, batch, Scale, doubled: false)),
        ("one doubled batch, composed", (model, table, batch) => new ComposedSampler(model, table, batch, Scale, doubled: true)),
        ("guided sampler", (model, table, batch) => new FusedSampler(model, table, batch, Scale)),
    ];

    /// <summary>DPM-Solver++(2M).</summary>
    public static SamplerTable Table(DiffusionModel model, int steps) => new SamplerSettings { Kind = SamplerKind.DpmSolver2M, Steps = steps }.Build(model);

    /// <summary>A step in the middle of 20 as a table of its own.</summary>
    public static SamplerTable MiddleStep(DiffusionModel model)
    {
        var table = Table(model, 20);
        return new SamplerTable(table.Name, [table.Rows[10]], table.InitialScale);
    }

    /// <summary>An arm on a step in the middle, with noise as its state.</summary>
    public static ISamplerArm Start(int arm, DiffusionModel model, SamplerTable table, int batch)
    {
        var started = Arms[arm].Create(model, table, batch);
        var config = model.Network.Config;
        started.Start(StepData.Noise(batch * config.ImageSize * config.ImageSize * config.InChannels, 1));
        return started;
    }
}
