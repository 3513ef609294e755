using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Sampling;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Gpu;

/// <summary>Whole guided runs on a device, against the CPU.</summary>
public sealed class GuidedSamplingGpuTests
{
    private static readonly SampleRequest[] Requests = [new(0, new GuidanceScale(2), 0), new(1, new GuidanceScale(1), 1)];

    [Test]
    public void Universal_guidance_agrees_with_the_cpu()
    {
        using var cpu = new CpuKernels(1);
        using var device = GpuUnderTest.Open("emulator");
        // The cut-off lies between the losses of the two samples, log 3 being that of a classifier that knows nothing.
        float[][] expected = Sample(cpu, null), got = Sample(device, null);
        AssertAgree(got, expected);
        double middle = Math.Log(3);
        float[][] cut = Sample(cpu, middle);
        Assert.That(cut, Is.Not.EqualTo(expected), "the cut-off holds a sample");
        AssertAgree(Sample(device, middle), cut);
    }

    private static void AssertAgree(float[][] got, float[][] expected)
    {
        for (int n = 0; n < expected.Length; n++)
            for (int i = 0; i < expected[n].Length; i++) Assert.That(got[n][i], Is.EqualTo(expected[n][i]).Within(2e-4), $"sample {n}, element {i}");
    }

    private static float[][] Sample(IKernels kernels, double? cutoff)
    {
        var network = new UNetConfig
        {
            ImageSize = 8, InChannels = 1, OutChannels = 1, ModelChannels = 8, NormGroups = 4, ChannelMult = [1], NumResBlocks = 1, AttentionResolutions = [1], NumHeads = 2, NumClasses = 4,
        };
        var settings = new DiffusionSettings { Schedule = NoiseScheduleKind.Cosine, Prediction = PredictionType.V, ClassNames = ["a", "b", "c"] };
        using var model = new DiffusionModel(network, settings, kernels, seed: 5);
        Fill(model.Parameters, kernels);
        using var classifier = new ImageClassifier(
            new ClassifierConfig { ImageSize = 8, InChannels = 1, ClassNames = ["a", "b", "c"], Width = 8, Levels = 1, Blocks = 1, NormGroups = 4 }, kernels, 3);
        Fill(classifier.Parameters, kernels);
        var guider = new UniversalGuider(new ClassifierObjective(classifier), new UniversalSettings { Backward = new BackwardGuidance(1, 0.02, cutoff) });
        using var sampler = new GuidedSampler(
            model, new SamplerSettings { Kind = SamplerKind.Ddim, Steps = 2, Eta = 0.5 },
            new GuidedSamplerOptions { Batch = 2, Seed = 3, Guidance = new Guidance { Gradients = [guider], Recurrences = [2, 1] } });
        float[][] images = new float[Requests.Length][];
        sampler.Sample(Requests, (i, pixels) => images[i] = pixels.ToArray());
        return images;
    }

    // Layers that start at zero would hide what is before them.
    private static void Fill(NativeDiffusion.Runtime.Parameters parameters, IKernels kernels)
    {
        foreach (var parameter in parameters.Items)
        {
            float[] values = new float[parameter.Shape.Count];
            Philox.Fill(values, 9, (uint)parameter.Offset, 0, RandomStream.Weights, 0.2);
            kernels.Upload(values, parameters.ValueOf(parameter));
        }
        parameters.MarkChanged();
    }
}
