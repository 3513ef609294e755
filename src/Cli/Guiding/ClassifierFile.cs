using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Cli.Guiding;

/// <summary>Reads the classifier that a guider needs.</summary>
internal static class ClassifierFile
{
    /// <summary>A classifier of clean images: one of train-classifier, or a published ResNet.</summary>
    /// <exception cref="CheckpointException">The file holds none.</exception>
    public static IClassifierNetwork LoadClean(string path, IKernels kernels, double softplus, bool isGiven)
    {
        bool own;
        using (var file = CheckpointFile.Open(path)) own = file.Metadata.GetValueOrDefault(ModelMetadata.ArchitectureKey) == ImageClassifier.Architecture;
        if (!own) return ResNetClassifier.Load(path, kernels, new ResNetGuideOptions { SoftplusBeta = softplus });
        return isGiven
            ? throw new UsageException("--softplus smooths the ReLUs of a ResNet, and this classifier is smooth as it is; leave it out.")
            : ImageClassifier.Load(path, kernels);
    }
}
