using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Onnx;

namespace NativeDiffusion.Cli.Guiding;

/// <summary>A classifier of any kind that <c>info</c> recognises, to look at clean images with.</summary>
internal sealed class LoadedClassifier : IDisposable
{
    private readonly IDisposable _network;
    private readonly Func<ImageDataset, IProgress<int>, CancellationToken, Classification> _classify;

    private LoadedClassifier(IDisposable network, IReadOnlyList<string> classNames, Func<ImageDataset, IProgress<int>, CancellationToken, Classification> classify) =>
        (_network, ClassNames, _classify) = (network, classNames, classify);

    /// <summary>Names of the classes; their numbers where the file has none.</summary>
    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>Reads a file of train-classifier, of a published noisy classifier, an ONNX file, or a ResNet, which sees images as it was trained to.</summary>
    /// <exception cref="Runtime.Checkpoints.CheckpointException">It holds no classifier; the message says what it is.</exception>
    public static LoadedClassifier Load(string path, IKernels kernels, OnnxOptions onnx)
    {
        if (ClassifierFile.IsOnnx(path))
        {
            var network = OnnxClassifier.Load(path, kernels, onnx);
            return new(network, network.ClassNames, network.Classify);
        }
        if (ClassifierFile.IsNoisy(path))
        {
            var noisy = NoisyClassifier.Load(path, kernels);
            return new(noisy, noisy.ClassNames, (images, progress, cancellation) => noisy.Classify(images, progress: progress, cancellation: cancellation));
        }
        if (ClassifierFile.IsClean(path))
        {
            var clean = ImageClassifier.Load(path, kernels);
            return new(clean, clean.Config.ClassNames, clean.Classify);
        }
        var resnet = ResNetClassifier.LoadAsTrained(path, kernels);
        return new(resnet, resnet.ClassNames, resnet.Classify);
    }

    public Classification Classify(ImageDataset images, IProgress<int> progress, CancellationToken cancellation) => _classify(images, progress, cancellation);

    public void Dispose() => _network.Dispose();
}
