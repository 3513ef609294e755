using System.Globalization;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Training;

/// <content>Power-function averages, kept beside the exponential one and saved from time to time.</content>
public sealed partial class Trainer
{
    private readonly PowerAverage[] _powers;

    private sealed record PowerAverage(double Width, double Exponent, Parameters Weights)
    {
        /// <summary>Before the keys of its tensors in a training checkpoint.</summary>
        public string Prefix => string.Create(CultureInfo.InvariantCulture, $"power.{Width:R}.");
    }

    /// <summary>
    /// Writes each of <see cref="TrainingSettings.PowerAverages"/> as it is now: a model to sample from by itself, and a part of what
    /// <see cref="PostHocAverage"/> combines. Files are named by width and step, as <c>average-0.05-0000500.safetensors</c>.
    /// </summary>
    /// <param name="folder">An existing folder.</param>
    /// <param name="type">F32 or F16.</param>
    /// <returns>Paths of the files.</returns>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public IReadOnlyList<string> SavePowerAverages(string folder, DType type = DType.F32)
    {
        using var use = _guard.Write();
        List<string> paths = [];
        foreach (var power in Step == 0 ? [] : _powers)
        {
            var metadata = ModelMetadata.Write(Model.Config, Model.Settings);
            metadata[ModelMetadata.WeightsKey] = ModelMetadata.AveragedWeights;
            var profile = new PowerProfile { Width = power.Width, Images = Step * Settings.BatchSize, BatchSize = Settings.BatchSize, Training = _fingerprint };
            metadata[PowerProfile.Key] = ModelJson.Write(profile);
            paths.Add(Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"average-{power.Width:R}-{Step:0000000}.safetensors")));
            SafetensorsWriter.Write(paths[^1], WeightFile.Entries(power.Weights, Model.Kernels, "", type), metadata, checksums: true);
        }
        return paths;
    }

    private void AveragePowers()
    {
        if (_powers.Length == 0) return;
        var kernels = Model.Kernels;
        double batch = Settings.BatchSize, images = Step * batch;
        using var turn = kernels.Queue.Enter();
        foreach (var power in _powers)
        {
            kernels.EmaUpdate(Model.Parameters.Values, PowerFunctionAverage.Decay(power.Exponent, images, batch), power.Weights.Values);
            power.Weights.MarkChanged();
        }
    }
}

/// <summary>Which average of which training a file holds.</summary>
internal sealed record PowerProfile
{
    /// <summary>Its place in a file's metadata.</summary>
    public const string Key = "power_average";

    /// <summary>Relative width of the profile.</summary>
    public required double Width { get; init; }

    /// <summary>Images seen when it was saved.</summary>
    public required long Images { get; init; }

    /// <summary>Images of a step.</summary>
    public required int BatchSize { get; init; }

    /// <summary>Fingerprint of the training's images.</summary>
    public required string Training { get; init; }
}
