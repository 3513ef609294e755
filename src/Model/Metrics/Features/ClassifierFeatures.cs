using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Metrics.Features;

/// <summary>The vector before the last layer of a classifier of this project, of which the shipped one knows digits; smaller pictures are padded with black.</summary>
internal sealed class ClassifierFeatures(ImageClassifier classifier, string name) : FeatureNetwork(name, classifier.Kernels, classifier.Parameters)
{
    public override int Features => classifier.Config.FeatureCount;

    public override int Classes => classifier.Config.Classes;

    public override IReadOnlyList<string> ClassNames => classifier.Config.ClassNames;

    private protected override int Batch => 64;

    private protected override void DisposeNetwork() => classifier.Dispose();

    private protected override Shape InputShape(ImageDataset batch) => new(classifier.Config.ImageSize, classifier.Config.ImageSize, classifier.Config.InChannels);

    private protected override void Prepare(ImageDataset batch, int index, Span<float> pixels) => classifier.Fit(batch.Subset(index, 1)).CopyRow(0, pixels);

    private protected override (Tensor Features, Tensor? Spatial, Tensor? Logits) Record(PlanBuilder b, Tensor pixels)
    {
        var (features, logits) = classifier.Network.Record(b, pixels);
        return (features, null, logits);
    }
}
