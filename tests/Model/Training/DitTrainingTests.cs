using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Training;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Training;

/// <summary>A diffusion transformer in the place of the U-Net: trained, saved, loaded, sampled.</summary>
[TestFixture]
public sealed class DitTrainingTests
{
    private static readonly DitConfig Network = new()
    {
        InputSize = TinyModel.Size, PatchSize = 2, InChannels = 1, HiddenSize = 32, Depth = 2, NumHeads = 2, NumClasses = TinyModel.Classes, LearnSigma = false,
    };

    private static readonly TrainingSettings Settings = new()
    {
        BatchSize = 16, Steps = 120, WarmupSteps = 10, LearningRate = 3e-3, Seed = 4, WeightDecay = 0.5,
    };

    [Test]
    public void It_learns_keeps_its_places_and_samples_alike_after_loading()
    {
        using var kernels = new CpuKernels(2);
        using var model = new DiffusionModel(Network, TinyModel.Settings, kernels, seed: 1);
        float[] Places(NativeDiffusion.Runtime.Parameters p) => p.ValueOf(p["pos_embed"]).Span.ToArray();
        float[] places = Places(model.Parameters);
        var losses = new List<double>();
        using (var trainer = new Trainer(model, TinyModel.Data(), Settings))
        {
            for (int i = 0; i < Settings.Steps; i++) losses.Add(trainer.RunStep().Loss);
            Assert.That(Places(trainer.Average), Is.EqualTo(places));
        }
        Assert.That(losses.TakeLast(20).Average(), Is.LessThan(0.6 * losses.Take(20).Average()), "mean loss, first and last 20 steps");
        Assert.That(Places(model.Parameters), Is.EqualTo(places), "neither gradients nor weight decay reach the places of tokens");
        Assert.That(places[1..4], Is.EqualTo(Enumerable.Repeat(0f, 3)), "the first token's sines");

        string path = Path.GetTempFileName();
        try
        {
            model.Save(path);
            using var loaded = DiffusionModel.Load(path, kernels);
            Assert.That(loaded.Network.Config, Is.EqualTo(Network));
            float[] sample = Sample(model, null);
            Assert.That(Sample(loaded, null), Is.EqualTo(sample));
            Assert.That(Sample(model, 1), Is.EqualTo(sample), "one channel is all of them");
        }
        finally
        {
            File.Delete(path);
        }
        Assert.That(() => Sample(model, 2), Throws.ArgumentException.With.Message.Contains("1 to 1 channels"));
    }

    private static float[] Sample(DiffusionModel model, int? guidedChannels)
    {
        float[] result = [];
        using var sampler = new GuidedSampler(model, new SamplerSettings { Steps = 5 }, new GuidedSamplerOptions { Seed = 2, GuidedChannels = guidedChannels });
        sampler.Sample([new SampleRequest(1, new GuidanceScale(3), 0)], (_, pixels) => result = pixels.ToArray());
        return result;
    }
}
