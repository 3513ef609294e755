using System.Text.Json.Nodes;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Training;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Classifiers;

/// <summary>Classifiers of noisy images: training on a model's noise, files, and what they guide.</summary>
public sealed class NoisyClassifierTests
{
    private static readonly DiffusionSettings Noise = new() { Schedule = NoiseScheduleKind.Cosine, Timesteps = 1000 };
    private static readonly string[] Names = ["across", "down"];
    private static readonly ClassifierTrainingSettings Short = new() { Epochs = 12, BatchSize = 16, LearningRate = 5e-3, AverageDecay = 0.9, MaxShift = 1, Seed = 3 };

    private string _path = null!;

    [SetUp]
    public void ChooseFile() => _path = Path.Combine(Directory.CreateTempSubdirectory("nd-noisy-").FullName, "c.safetensors");

    [TearDown]
    public void DeleteFolder() => Directory.Delete(Path.GetDirectoryName(_path)!, recursive: true);

    [TestCase(ClassifierPool.Attention)]
    [TestCase(ClassifierPool.Adaptive)]
    public void LearnsThroughNoiseAndGivesTheSameBitsForAnyNumberOfThreads(ClassifierPool pool)
    {
        ImageDataset train = Strokes(160, 1), test = Strokes(60, 2);
        List<double> losses = [], others = [];
        using CpuKernels one = new(1), two = new(2);
        using var classifier = new NoisyClassifier(Config(pool), Noise, Names, one, seed: 1);
        using (var trainer = new ClassifierTrainer(classifier, train, Short))
        {
            trainer.Run(new ImmediateSteps(step => losses.Add(step.Loss)));
            Assert.That(trainer.History[^1].Step, Is.EqualTo(trainer.Steps));
            Assert.That(trainer.History[0].Loss, Is.EqualTo(losses[..25].Average()).Within(1e-12));
        }
        int Recognised(double sigma) => classifier.Classify(test, sigma).CountCorrect(test.Labels.Span);
        Assert.That(Recognised(0), Is.GreaterThanOrEqualTo(57));
        Assert.That(Recognised(0.3), Is.GreaterThanOrEqualTo(54));
        Assert.That(Recognised(100), Is.InRange(18, 42), "noise alone says nothing");

        using var again = new NoisyClassifier(Config(pool), Noise, Names, two, seed: 1);
        using var half = new ClassifierTrainer(again, train, Short);
        using var stop = new CancellationTokenSource();
        Assert.That(() => half.Run(new ImmediateSteps(step =>
        {
            others.Add(step.Loss);
            if (step.Step == 8) stop.Cancel();
        }), stop.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(others, Is.EqualTo(losses[..8]));
    }

    [Test]
    public void SavedClassifierIsTheSameWithItsNoiseAndClasses()
    {
        using var classifier = new NoisyClassifier(Config(), Noise with { RescaleTimesteps = true, Timesteps = 4000, DataSize = 8 }, Names, seed: 7);
        classifier.Save(_path);
        using var loaded = NoisyClassifier.Load(_path);
        Assert.That(loaded.ClassNames, Is.EqualTo(Names));
        Assert.That((loaded.Settings!.Schedule, loaded.Settings.Timesteps, loaded.Settings.RescaleTimesteps), Is.EqualTo((NoiseScheduleKind.Cosine, 4000, true)));
        ImageDataset images = Strokes(5, 8);
        Assert.That(loaded.Classify(images, 0.7, seed: 4).Probabilities, Is.EqualTo(classifier.Classify(images, 0.7, seed: 4).Probabilities));
        using (var file = SafetensorsFile.Open(_path)) Assert.That(file.Metadata["diffusion"], Does.Not.Contain("prediction"), "what it is not");
        classifier.Save(_path, DType.F16);
        using var half = NoisyClassifier.Load(_path);
        Assert.That(half.Classify(images).Probabilities, Is.EqualTo(classifier.Classify(images).Probabilities).Within(5e-3));
    }

    [Test]
    public void AnImagesResultDependsOnItsPlaceAndTheSeedOfTheNoiseAlone()
    {
        using var classifier = new NoisyClassifier(Config(), Noise, Names, seed: 4);
        // A new network's head is zero.
        classifier.Parameters.Kernels.Upload([.. Enumerable.Range(0, 2 * classifier.Network.FeatureCount).Select(i => MathF.Sin(i))], classifier.Parameters.ValueOf(classifier.Parameters["out.2.c_proj.weight"]));
        classifier.Parameters.MarkChanged();
        ImageDataset images = Strokes(70, 5);
        var all = classifier.Classify(images, 0.5, seed: 2);
        var first = classifier.Classify(images.Subset(0, 3), 0.5, seed: 2);
        Assert.That(first.Probabilities, Is.EqualTo(all.Probabilities[..6]));
        Assert.That(first.Features, Is.EqualTo(all.Features[..(3 * all.FeatureCount)]));
        Assert.That(classifier.Classify(images.Subset(0, 3), 0.5, seed: 3).Probabilities, Is.Not.EqualTo(first.Probabilities));
        Assert.That(classifier.Classify(images.Subset(0, 3), 1e-9).Probabilities, Is.EqualTo(classifier.Classify(images.Subset(0, 3)).Probabilities).Within(1e-6), "no noise");
    }

    [Test]
    public void GuidesModelsOfItsNoiseOnly()
    {
        using var kernels = new CpuKernels(1);
        using var classifier = new NoisyClassifier(Config() with { OutChannels = 3 }, Noise, ["a", "b", "c"], kernels);
        GuidedSampler Sampler(DiffusionSettings settings) => new(
            TinyModel(kernels, settings), new SamplerSettings { Steps = 3 }, new GuidedSamplerOptions { Guidance = new Guidance { Branches = [], Gradients = [new ClassifierGuider(classifier, 1)] } });
        using (Sampler(Noise))
        {
        }
        Assert.That(() => Sampler(Noise with { Schedule = NoiseScheduleKind.Linear }), Throws.ArgumentException.With.Message.Contains("cosine schedule of 1000").And.Message.Contains("linear schedule"));
        Assert.That(() => Sampler(Noise with { Timesteps = 500 }), Throws.ArgumentException.With.Message.Contains("500 timesteps"));
        Assert.That(() => Sampler(Noise with { Schedule = NoiseScheduleKind.Continuous }), Throws.ArgumentException.With.Message.Contains("train-classifier --noisy"));
    }

    [Test]
    public void TheShippedOneReadsDigitsThroughNoiseAndLeadsTheShippedModel()
    {
        using var kernels = new CpuKernels(2);
        using var classifier = NoisyClassifier.LoadShippedDigits(kernels);
        var digits = ShippedDigits.LoadTest().Subset(0, 500);
        int Recognised(double sigma) => classifier.Classify(digits, sigma).CountCorrect(digits.Labels.Span);
        Assert.That(Recognised(0), Is.GreaterThanOrEqualTo(490));
        Assert.That(Recognised(1), Is.GreaterThanOrEqualTo(475));
        Assert.That(Recognised(16), Is.InRange(40, 150));

        // Without condition, so that the classifier alone leads: the mean of ancestral steps, and the score of others, which pure noise does not bear.
        using var model = DiffusionModel.Load(ShippedFiles.Find("models/digits.safetensors"), kernels);
        using var judge = ImageClassifier.LoadShippedDigits(kernels);
        var requests = Enumerable.Range(0, 10).Select(c => new SampleRequest(-1, new GuidanceScale(1), c) { Target = c }).ToArray();
        foreach (var (kind, target) in new[] { (SamplerKind.Ancestral, GradientTarget.Mean), (SamplerKind.Ddim, GradientTarget.Score) })
        {
            var guider = new ClassifierGuider(classifier, 4, target) { When = GuidanceInterval.Sigmas(0, 80) };
            using var sampler = new GuidedSampler(
                model, new SamplerSettings { Kind = kind, Steps = 12 }, new GuidedSamplerOptions { Seed = 3, Guidance = new Guidance { Branches = [], Gradients = [guider] } });
            var images = sampler.Sample(requests);
            byte[] pixels = [.. images.SelectMany(i => i.Pixels.ToArray())];
            var drawn = new ImageDataset(28, 28, 1, pixels, new int[10], [.. Enumerable.Range(0, 10).Select(c => $"{c}")]);
            Assert.That(judge.Classify(drawn).CountCorrect([.. Enumerable.Range(0, 10)]), Is.GreaterThanOrEqualTo(8), $"{kind}");
        }
    }

    [TestCase("config", "out_channels", 3, "as many names")]
    [TestCase("config", "norm_groups", 0, "norm_groups")]
    [TestCase("config", "model_channels", 16, "input_blocks")]
    [TestCase("diffusion", "timesteps", 0, "timestep")]
    [TestCase("diffusion", "class_names", null, "class_names")]
    public void RefusesMetadataThatDoNotFit(string part, string key, int? value, string message)
    {
        SaveWith(metadata =>
        {
            var json = JsonNode.Parse(metadata[part])!;
            json[key] = value;
            metadata[part] = json.ToJsonString();
        });
        Assert.That(() => NoisyClassifier.Load(_path), Throws.TypeOf<CheckpointException>().With.Message.Contains(message).And.Message.Contains(_path));
    }

    [Test]
    public void RefusesOtherFilesAndUnknownNoise()
    {
        SaveWith(metadata => metadata["architecture"] = "adm_unet");
        Assert.That(() => NoisyClassifier.Load(_path), Throws.TypeOf<CheckpointException>().With.Message.Contains("adm_unet"));
        using (var clean = new ImageClassifier(new ClassifierConfig { ImageSize = 8, Levels = 2, Width = 8, ClassNames = [.. Names] })) clean.Save(_path);
        Assert.That(() => NoisyClassifier.Load(_path), Throws.TypeOf<CheckpointException>().With.Message.Contains("groupnorm_classifier"));
        using var classifier = new NoisyClassifier(Config(), Noise, Names);
        Assert.That(() => new NoisyClassifier(Config(), Noise, ["a"]), Throws.ArgumentException.With.Message.Contains("as many names"));
        Assert.That(() => classifier.Classify(Strokes(1, 1), double.NaN), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new ClassifierTrainer(classifier, new ImageDataset(4, 4, 1, new byte[16], new int[1], ["0", "1", "2"]), Short), Throws.ArgumentException.With.Message.Contains("3 classes"));

        using var bare = new NoisyClassifier(classifier.Network, classifier.Parameters);
        Assert.That(bare.ClassNames, Is.EqualTo(new[] { "0", "1" }));
        Assert.That(() => bare.Save(_path), Throws.InvalidOperationException.With.Message.Contains("noise levels"));
        Assert.That(() => bare.Classify(Strokes(1, 1), 0.5), Throws.ArgumentException);
        Assert.That(bare.Classify(Strokes(1, 1)).Count, Is.EqualTo(1));
        Assert.That(() => new ClassifierTrainer(bare, Strokes(4, 1), Short), Throws.ArgumentException.With.Message.Contains("noise levels"));
    }

    private static EncoderUNetConfig Config(ClassifierPool pool = ClassifierPool.Attention) => EncoderUNetConfig.OfSize(8, 1, 2, width: 8, levels: 2, pool: pool);

    private static DiffusionModel TinyModel(CpuKernels kernels, DiffusionSettings settings) => new(
        new UNetConfig { ImageSize = 8, InChannels = 1, OutChannels = 1, ModelChannels = 32, NumResBlocks = 1, ChannelMult = [1], NumClasses = 4 },
        settings with { ClassNames = ["a", "b", "c"] }, kernels);

    private static ImageDataset Strokes(int count, ulong seed)
    {
        const int size = 8;
        byte[] pixels = new byte[count * size * size];
        int[] labels = new int[count];
        for (int i = 0; i < count; i++)
        {
            int Draw(uint element, int range) => (int)(Philox.Uniform(seed, (uint)i, 0, RandomStream.Order, element) * range);
            labels[i] = Draw(0, 2);
            int at = 1 + Draw(1, size - 2);
            for (int p = 0; p < size * size; p++) pixels[i * size * size + p] = (byte)((labels[i] == 1 ? p % size : p / size) == at ? 255 : 0);
        }
        return new ImageDataset(size, size, 1, pixels, labels, Names);
    }

    private void SaveWith(Action<Dictionary<string, string>> change)
    {
        using (var classifier = new NoisyClassifier(Config(), Noise, Names)) classifier.Save(_path);
        List<TensorEntry> tensors = [];
        Dictionary<string, string> metadata;
        using (var file = SafetensorsFile.Open(_path))
        {
            metadata = new Dictionary<string, string>(file.Metadata);
            foreach (var t in file.Tensors) tensors.Add(TensorEntry.Of(t.Name, [.. t.Shape], file.ReadFloat(t.Name), DType.F32));
        }
        change(metadata);
        SafetensorsWriter.Write(_path, tensors, metadata);
    }

    private sealed class ImmediateSteps(Action<TrainingStep> report) : IProgress<TrainingStep>
    {
        public void Report(TrainingStep value) => report(value);
    }
}
