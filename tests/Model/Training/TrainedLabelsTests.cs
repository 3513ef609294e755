using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Training;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Training;

/// <summary>What a training never showed cannot be asked for: the null class, the classes, one class.</summary>
internal sealed class TrainedLabelsTests
{
    private static readonly TrainingSettings Short = new() { BatchSize = 2, Steps = 3, Seed = 3 };

    private static readonly DitConfig Transformer = new()
    {
        InputSize = TinyModel.Size, PatchSize = 4, InChannels = 1, HiddenSize = 16, Depth = 1, NumHeads = 2, NumClasses = TinyModel.Classes, LearnSigma = false,
    };

    private static readonly DhariwalUNetConfig Edm = new()
    {
        ImgResolution = TinyModel.Size, ImgChannels = 1, ModelChannels = 32, ChannelMult = [1], NumBlocks = 1, AttnResolutions = [], LabelDim = TinyModel.Classes, LabelDropout = 0.1,
    };

    private string _path = "";

    public static IEnumerable<TestCaseData> Networks =>
    [
        new TestCaseData(TinyModel.Network, TinyModel.Settings).SetArgDisplayNames("U-Net"),
        new TestCaseData(Transformer, TinyModel.Settings).SetArgDisplayNames("DiT"),
        new TestCaseData(Edm, TinyModel.Settings with { Schedule = NoiseScheduleKind.Edm }).SetArgDisplayNames("EDM"),
    ];

    [SetUp]
    public void NamePath() => _path = Path.GetTempFileName();

    [TearDown]
    public void DeleteFile() => File.Delete(_path);

    [TestCaseSource(nameof(Networks))]
    public void Where_no_label_is_hidden_there_is_no_null_class(INetworkConfig network, DiffusionSettings settings)
    {
        using var kernels = new CpuKernels(1);
        using var model = new DiffusionModel(network, settings, kernels);
        Assert.That(model.NullLabel, Is.EqualTo(3), "nothing is known of a model that was not trained");
        using (var trainer = new Trainer(model, TinyModel.Data(), Short with { NullProbability = 0 }))
        {
            trainer.Run();
            trainer.SaveModel(_path);
        }
        using var loaded = DiffusionModel.Load(_path, kernels);
        foreach (var known in new[] { model, loaded })
        {
            Assert.That((known.NullLabel, known.Settings.UntrainedLabels), Is.EqualTo((-1, new[] { 3 })));
            Assert.That(Sample(known, 1, 1), Has.All.Matches<float>(float.IsFinite));
            Assert.That(() => Sample(known, 1, 3), Throws.ArgumentException.With.Message.Contains("never trained").And.Message.Contains("scale 3"));
            Assert.That(() => Sample(known, 1, 0), Throws.ArgumentException.With.Message.Contains("never trained"));
            Assert.That(() => Sample(known, -1, 1), Throws.ArgumentException.With.Message.Contains("never trained"));
        }
    }

    [TestCaseSource(nameof(Networks))]
    public void Where_every_label_is_hidden_there_are_no_classes(INetworkConfig network, DiffusionSettings settings)
    {
        using var kernels = new CpuKernels(1);
        using var model = new DiffusionModel(network, settings, kernels);
        using (var trainer = new Trainer(model, TinyModel.Data(), Short with { NullProbability = 1 }))
        {
            trainer.Run();
            trainer.Save(_path);
        }
        using var loaded = DiffusionModel.Load(_path, kernels);
        Assert.That(loaded.Settings.UntrainedLabels, Is.EqualTo(new[] { 0, 1, 2 }));
        Assert.That(Sample(loaded, -1, 1), Has.All.Matches<float>(float.IsFinite));
        Assert.That(() => Sample(loaded, 0, 1), Throws.ArgumentException.With.Message.Contains("null probability 1"));
        Assert.That(() => Sample(loaded, 2, 2), Throws.ArgumentException.With.Message.Contains("null probability 1"));
    }

    [Test]
    public void A_class_without_an_image_cannot_be_asked_for()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.Create(kernels);
        using var trainer = new Trainer(model, WithoutClass1(), Short);
        trainer.SaveModel(_path);
        using var loaded = DiffusionModel.Load(_path, kernels);
        Assert.That(loaded.Settings.UntrainedLabels, Is.EqualTo(new[] { 1 }));
        Assert.That(Sample(loaded, 2, 2), Has.All.Matches<float>(float.IsFinite));
        Assert.That(() => Sample(loaded, 1, 1), Throws.ArgumentException.With.Message.Contains("'left'").And.Message.Contains("never trained"));
        using var drawing = new DiffusionModel(Edm, TinyModel.Settings with { Schedule = NoiseScheduleKind.Edm, UntrainedLabels = [1] }, kernels);
        using var sampler = new GuidedSampler(drawing, new SamplerSettings { Kind = SamplerKind.Heun, Steps = 2 });
        Assert.That(() => sampler.Sample([new SampleRequest(0, new GuidanceScale(1), 0)]), Throws.Nothing);
        Assert.That(() => sampler.Sample([new SampleRequest(1, new GuidanceScale(1), 0)]), Throws.ArgumentException.With.Message.Contains("never trained"));
    }

    [Test]
    public void A_later_training_adds_what_it_shows_and_takes_nothing_away()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.Create(kernels);
        using (new Trainer(model, WithoutClass1(), Short with { NullProbability = 0 })) Assert.That((model.Settings.UntrainedLabels, model.Settings.NullProbability), Is.EqualTo((new[] { 1, 3 }, 0.0)));
        model.Save(_path);
        using var loaded = DiffusionModel.Load(_path, kernels);
        using (new Trainer(loaded, WithoutClass1(), Short)) Assert.That(loaded.Settings.UntrainedLabels, Is.EqualTo(new[] { 1 }));
        using (new Trainer(loaded, TinyModel.Data(), Short with { NullProbability = 0 })) Assert.That(loaded.Settings.UntrainedLabels, Is.Empty);
        Assert.That(loaded.NullLabel, Is.EqualTo(3));

        using var other = TinyModel.Create(kernels);
        using (var file = CheckpointFile.Open(_path)) other.LoadWeights(file);
        Assert.That(other.Settings.UntrainedLabels, Is.EqualTo(new[] { 1, 3 }), "weights bring what is known of them");
    }

    [Test]
    public void A_resumed_training_says_the_same([Values(0, 2)] int stop)
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.Create(kernels);
        using (var trainer = new Trainer(model, WithoutClass1(), Short with { NullProbability = 0 }))
        {
            while (trainer.Step < stop) trainer.RunStep();
            trainer.Save(_path);
        }
        using var resumed = Trainer.Resume(_path, WithoutClass1(), kernels);
        using var again = resumed.Model;
        resumed.Run();
        Assert.That(again.Settings.UntrainedLabels, Is.EqualTo(new[] { 1, 3 }));
    }

    [Test]
    public void Labels_that_the_network_has_not_are_refused()
    {
        using var kernels = new CpuKernels(1);
        Assert.That(() => TinyModel.Create(kernels, settings: TinyModel.Settings with { UntrainedLabels = [4] }), Throws.ArgumentException.With.Message.Contains("got 4"));
    }

    private static ImageDataset WithoutClass1()
    {
        var data = TinyModel.Data();
        return new ImageDataset(data.Height, data.Width, 1, data.Pixels, data.Labels.ToArray().Select(l => l == 1 ? 2 : l).ToArray(), data.ClassNames);
    }

    private static float[] Sample(DiffusionModel model, int label, double scale)
    {
        float[] image = [];
        using var sampler = new GuidedSampler(model, new SamplerSettings { Steps = 2, Kind = model.Settings.Schedule == NoiseScheduleKind.Edm ? SamplerKind.Euler : SamplerKind.Ddim });
        sampler.Sample([new SampleRequest(label, new GuidanceScale(scale), 0)], (_, pixels) => image = pixels.ToArray());
        return image;
    }
}
