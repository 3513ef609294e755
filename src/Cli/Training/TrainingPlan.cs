using NativeDiffusion.Model;
using NativeDiffusion.Model.Data;
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

/// <summary>Where training images come from; the shipped digits when everything is null. Kept in settings.json for resuming.</summary>
internal sealed record DataSource
{
    public string? Images { get; init; }

    public string? Labels { get; init; }

    public string? Folder { get; init; }

    /// <summary>The same with full paths, so that it is found from another folder.</summary>
    public DataSource Absolute() => new() { Images = Full(Images), Labels = Full(Labels), Folder = Full(Folder) };

    /// <summary>Reads the images.</summary>
    public ImageDataset Load()
    {
        if (Folder is not null) return PngFolder.Load(Folder);
        return Images is not null && Labels is not null ? IdxFile.Load(Images, Labels) : ShippedDigits.LoadTrain();
    }

    private static string? Full(string? path) => path is null ? null : Path.GetFullPath(path);
}
