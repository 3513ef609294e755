using System.Collections.Immutable;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Published;

/// <summary>What stands beside a file of weights where diffusers' libraries lay models out: a folder of a model, alone or as a part of a pipeline.</summary>
/// <param name="Model">What the weights are: <c>config.json</c>.</param>
/// <param name="Scheduler">Noise levels and sampler: <c>scheduler_config.json</c>, here, or in the folder <c>scheduler</c> here or of the pipeline.</param>
/// <param name="Pipeline">The parts of a pipeline: <c>model_index.json</c>, here or one folder above.</param>
internal sealed record DiffusersFolder(DiffusersConfig? Model, DiffusersConfig? Scheduler, DiffusersConfig? Pipeline)
{
    private const string WeightsFile = "diffusion_pytorch_model.";
    private const string ModelFile = "config.json", SchedulerFile = "scheduler_config.json", PipelineFile = "model_index.json";

    /// <summary>The pipeline's autoencoder: a folder; null where it has none.</summary>
    public string? Autoencoder => Pipeline is null ? null
        : CheckpointFolder.Autoencoders.Select(part => Path.Combine(Path.GetDirectoryName(Pipeline.Path)!, part)).FirstOrDefault(Directory.Exists);

    /// <summary>What that autoencoder's latents are multiplied by; null where nothing says it.</summary>
    public double? LatentScale => Autoencoder is { } folder && DiffusersConfig.Read(Path.Combine(folder, ModelFile)) is { } config ? ScaleOf(config) : null;

    /// <summary>The classes' names in the pipeline's <c>id2label</c>, else their numbers.</summary>
    public static ImmutableArray<string> ClassNames(DiffusersFolder? folder, int count) => folder?.Pipeline?.Names("id2label", count) is { } names ? [.. names] : NetworkFamilies.Numbers(count);

    /// <summary>What stands beside a file; null where that is nothing, or the file is no file.</summary>
    /// <exception cref="CheckpointException">What stands there is damaged.</exception>
    public static DiffusersFolder? Beside(CheckpointFile file)
    {
        if (!File.Exists(file.Name)) return null;
        string here = Path.GetDirectoryName(Path.GetFullPath(file.Name))!;
        var model = DiffusersConfig.Read(Path.Combine(here, ModelFile), Path.GetFileName(file.Name).StartsWith(WeightsFile, StringComparison.Ordinal));
        string? above = model is null ? null : Path.GetDirectoryName(here);
        var pipeline = DiffusersConfig.Read(Path.Combine(here, PipelineFile)) ?? (above is null ? null : DiffusersConfig.Read(Path.Combine(above, PipelineFile)));
        string?[] folders = [here, Path.Combine(here, "scheduler"), above is null ? null : Path.Combine(above, "scheduler")];
        var scheduler = folders.OfType<string>().Select(folder => DiffusersConfig.Read(Path.Combine(folder, SchedulerFile))).FirstOrDefault(found => found is not null);
        return model is null && scheduler is null && pipeline is null ? null : new(model, scheduler, pipeline);
    }

    /// <summary>The factor that an autoencoder's settings say.</summary>
    /// <exception cref="CheckpointException">It is no such number.</exception>
    public static double ScaleOf(DiffusersConfig autoencoder) => autoencoder.Number("scaling_factor") is not { } scale ? 0.18215
        : scale > 0 ? scale : throw autoencoder.Wrong("scaling_factor", "above 0");
}
