using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Guiders;

/// <summary>Two gradients that move the mean one after the other, as EluCD's combined classifier (table 2).</summary>
[TestFixture]
public sealed class GuidersInTurnTests
{
    private static readonly SampleRequest[] Requests = [new(0, new GuidanceScale(1), 0), new(2, new GuidanceScale(1), 1)];

    [Test]
    public void Each_moves_the_mean_by_its_own_variance()
    {
        using var kernels = new CpuKernels(1);
        using var classifier = Classifier(kernels);
        EluCdGuider Guider(double scale, double sine, int first, int last) =>
            new(classifier, EluCdSettings.Ddpm with { Scale = scale, Sine = sine }) { When = GuidanceInterval.Steps(first, last) };
        // The first has no weight, only a sine, which must not be the second's.
        Assert.That(Sample(kernels, Guider(0, 5, 0, 1), Guider(3, 0, 2, 3)), Is.EqualTo(Sample(kernels, Guider(3, 0, 2, 3))));
        Assert.That(Sample(kernels, Guider(3, 0, 0, 1), Guider(3, 0, 2, 3)), Is.EqualTo(Sample(kernels, Guider(3, 0, 0, 3))));
        Assert.That(Sample(kernels, Guider(3, 5, 0, 1), Guider(3, 5, 2, 3)), Is.EqualTo(Sample(kernels, Guider(3, 5, 0, 3))));
        Assert.That(Sample(kernels, Guider(3, 5, 0, 3)), Is.Not.EqualTo(Sample(kernels, Guider(3, 0, 0, 3))));
    }

    [Test]
    public void At_one_time_by_two_variances_is_refused()
    {
        using var kernels = new CpuKernels(1);
        using var classifier = Classifier(kernels);
        EluCdGuider Guider(double sine, int first, int last) => new(classifier, EluCdSettings.Ddpm with { Sine = sine }) { When = GuidanceInterval.Steps(first, last) };
        Assert.That(() => Sample(kernels, Guider(0.3, 0, 2), Guider(0, 2, 3)), Throws.ArgumentException.With.Message.Contains("step 2").And.Message.Contains("intervals"));
        Assert.That(() => Sample(kernels, Guider(0.3, 0, 2), Guider(0.3, 2, 3)), Throws.Nothing);
    }

    private static ImageClassifier Classifier(IKernels kernels) =>
        new(new ClassifierConfig { ImageSize = TinyModel.Size, InChannels = 1, ClassNames = ["top", "left", "full"], Width = 8, Levels = 2, NormGroups = 4 }, kernels, 3);

    private static float[] Sample(IKernels kernels, params GradientGuider[] gradients)
    {
        using var model = TinyModel.CreateRandom(kernels);
        using var sampler = new GuidedSampler(
            model, new SamplerSettings { Kind = SamplerKind.Ancestral, Steps = 4 }, new GuidedSamplerOptions { Guidance = Guidance.None with { Gradients = gradients } });
        var pixels = new List<float>();
        sampler.Sample(Requests, (_, image) => pixels.AddRange(image));
        return [.. pixels];
    }
}
