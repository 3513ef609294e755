using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Onnx;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Cli.Guiding;

/// <summary>Reads the classifier that a command needs.</summary>
internal static class ClassifierFile
{
    /// <summary>A classifier of noisy images: one of train-classifier --noisy, a published one, or an ONNX file, which does not say what it was trained on.</summary>
    /// <exception cref="CheckpointException">The file holds none.</exception>
    public static IClassifierNetwork LoadNoisy(string path, IKernels kernels, OnnxOptions onnx) => IsOnnx(path) ? OnnxClassifier.Load(path, kernels, onnx with { TakesNoise = true }) : ArchitectureOf(path) == ImageClassifier.Architecture
        ? throw new CheckpointException($"{path}: is a classifier of clean images, where a noisy classifier is needed: train one with train-classifier --noisy, or guide by this one with --guider elucd.")
        : NoisyClassifier.Load(path, kernels);

    /// <summary>A classifier of clean images: one of train-classifier, or a published ResNet.</summary>
    /// <param name="path">The file.</param>
    /// <param name="kernels">The model's device.</param>
    /// <param name="options">How a ResNet sees the images.</param>
    /// <param name="onnx">How an ONNX file sees the images.</param>
    /// <param name="given">Options of a ResNet alone that were given, by name.</param>
    /// <exception cref="CheckpointException">The file holds none.</exception>
    public static IClassifierNetwork LoadClean(string path, IKernels kernels, ResNetGuideOptions options, OnnxOptions onnx, IReadOnlyList<string> given)
    {
        if (IsOnnx(path)) return OnnxClassifier.Load(path, kernels, onnx);
        string? architecture = ArchitectureOf(path);
        if (architecture == NoisyClassifier.Architecture)
            throw new CheckpointException($"{path}: is a classifier of noisy images, where one of clean images is needed: guide by it with --guider classifier, or train one with train-classifier.");
        if (architecture != ImageClassifier.Architecture) return ResNetClassifier.Load(path, kernels, options);
        return given.Count > 0
            ? throw new UsageException($"{string.Join(", ", given)} {(given.Count > 1 ? "are" : "is")} for ResNets, and this classifier takes images as they are, without ReLUs; leave it out.")
            : ImageClassifier.Load(path, kernels);
    }

    /// <summary>Whether a file is an ONNX file, by its name.</summary>
    public static bool IsOnnx(string path) => path.EndsWith(".onnx", StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether a file holds a classifier of noisy images.</summary>
    /// <exception cref="CheckpointException">It is damaged.</exception>
    public static bool IsNoisy(string path) => !IsOnnx(path) && (ArchitectureOf(path) is { } own ? own == NoisyClassifier.Architecture : IsPublishedNoisy(path));

    /// <summary>Whether a file holds a classifier of this tool for clean images.</summary>
    /// <exception cref="CheckpointException">It is damaged.</exception>
    public static bool IsClean(string path) => ArchitectureOf(path) == ImageClassifier.Architecture;

    private static bool IsPublishedNoisy(string path)
    {
        using var file = CheckpointFile.Open(path);
        return PublishedCheckpoint.Recognise(file)?.Architecture == NoisyClassifier.Architecture;
    }

    // Of files of others, the key means whatever they please.
    private static string? ArchitectureOf(string path)
    {
        using var file = CheckpointFile.Open(path);
        return ModelMetadata.IsIn(file) ? ModelMetadata.ArchitectureOf(file) : null;
    }
}
