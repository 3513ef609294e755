using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Training;

namespace NativeDiffusion.Cli.Training;

/// <summary>What a new training does, before its data are known.</summary>
internal sealed record TrainingPlan(INetworkConfig Network, DiffusionSettings Diffusion, TrainingSettings Training);

/// <summary>How one session of a training runs: nothing here changes the result.</summary>
internal sealed record SessionOptions
{
    /// <summary>Steps between two grids of samples; 0 for none.</summary>
    public int SampleEvery { get; init; }

    /// <summary>Steps between two checkpoints.</summary>
    public int SaveEvery { get; init; } = 500;

    /// <summary>Steps of this session.</summary>
    public int? StopAfter { get; init; }

    /// <summary>Whether the result is written as JSON.</summary>
    public bool Json { get; init; }
}
