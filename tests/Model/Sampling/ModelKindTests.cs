using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Training;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Sampling;

/// <summary>Models that were not trained as our presets are: in EDM's sigma, or without a null class.</summary>
internal sealed class ModelKindTests
{
    private static readonly DiffusionSettings Edm = TinyModel.Settings with
    {
        Schedule = NoiseScheduleKind.Edm,
        Sampler = new SamplerSettings { Kind = SamplerKind.Heun, Steps = 64, Clip = false, Churn = new HeunChurn(0) },
    };

    // The network's last layer starts at zero, so that D = cSkip x: the exact denoiser of data N(0, sigmaData^2).
    [Test]
    public void AnUntrainedNetworkUnderEdmPreconditioningSamplesANormalDistribution()
    {
        using var kernels = new CpuKernels(2);
        using var model = TinyModel.Create(kernels, settings: Edm);
        using var sampler = new GuidedSampler(model, Edm.Sampler!);
        double sum = 0, count = 0;
        sampler.Sample([.. Enumerable.Range(0, 64).Select(i => new SampleRequest(1, new GuidanceScale(2), i))], (_, pixels) =>
        {
            foreach (float p in pixels) (sum, count) = (sum + (double)p * p, count + 1);
        });
        Assert.That(Math.Sqrt(sum / count), Is.EqualTo(Edm.SigmaData).Within(0.02));
    }

    [Test]
    public void EdmSettingsSurviveAFile()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.Create(kernels, settings: Edm with { SigmaData = 0.25, LatentScale = 0.18215 });
        string path = Path.Combine(TestContext.CurrentContext.WorkDirectory, "edm.safetensors");
        model.Save(path);
        using var loaded = DiffusionModel.Load(path, kernels);
        Assert.That(loaded.Settings with { ClassNames = model.Settings.ClassNames }, Is.EqualTo(model.Settings));
    }

    [Test]
    public void SamplersThatNeedTimestepsRefuseEdm()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.Create(kernels, settings: Edm);
        Assert.That(() => new SamplerSettings { Kind = SamplerKind.Ancestral }.Build(model), Throws.ArgumentException.With.Message.Contains("the edm one"));
        Assert.That(() => new SamplerSettings { Spacing = SpacingKind.DdimN }.Build(model), Throws.ArgumentException.With.Message.Contains("karras"));
        var weighted = new TrainingSettings { BatchSize = 2, Steps = 1, Weighting = LossWeighting.MinSnr };
        Assert.That(() => new Trainer(model, TinyModel.Data(), weighted), Throws.ArgumentException.With.Message.Contains("the edm schedule"));
    }

    [Test]
    public void WithoutANullClassAModelFollowsItsLabelsAndIsNotGuided()
    {
        var network = TinyModel.Network with { NumClasses = TinyModel.Classes };
        var settings = TinyModel.Settings with { NullClass = false };
        using var kernels = new CpuKernels(2);
        Assert.That(() => new DiffusionModel(TinyModel.Network, settings, kernels), Throws.ArgumentException.With.Message.Contains("without a null class"));
        using var model = TinyModel.CreateRandom(kernels, network, settings);
        using var sampler = new GuidedSampler(model, new SamplerSettings { Steps = 3 });
        var images = new float[3][];
        sampler.Sample([.. Enumerable.Range(0, 3).Select(label => new SampleRequest(label, new GuidanceScale(1), 7))], (i, pixels) => images[i] = pixels.ToArray());
        Assert.That(images[0], Is.Not.EqualTo(images[1]));
        Assert.That(images[2], Is.Not.EqualTo(images[1]));
        Assert.That(() => sampler.Sample([new SampleRequest(1, new GuidanceScale(2), 0)]), Throws.ArgumentException.With.Message.Contains("no null class"));
        Assert.That(() => sampler.Sample([new SampleRequest(-1, new GuidanceScale(1), 0)]), Throws.ArgumentException.With.Message.Contains("no null class"));
        Assert.That(() => new Trainer(model, TinyModel.Data(), new TrainingSettings { BatchSize = 2, Steps = 1 }), Throws.ArgumentException.With.Message.Contains("null_probability"));
    }
}
