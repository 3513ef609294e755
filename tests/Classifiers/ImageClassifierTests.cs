using System.Text.Json.Nodes;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Training;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Classifiers;

public sealed class ImageClassifierTests
{
    private static readonly ClassifierConfig Small = new() { ImageSize = 12, Width = 8, Levels = 2, NormGroups = 4, ClassNames = ["down", "across"] };
    private static readonly ClassifierTrainingSettings Short = new() { Epochs = 6, BatchSize = 16, LearningRate = 5e-3, AverageDecay = 0.9, Seed = 3 };

    private string _path = null!;

    [SetUp]
    public void ChooseFile() => _path = Path.Combine(Directory.CreateTempSubdirectory("nd-classifier-").FullName, "c.safetensors");

    [TearDown]
    public void DeleteFolder() => Directory.Delete(Path.GetDirectoryName(_path)!, recursive: true);

    [Test]
    public void LearnsStrokesAndGivesTheSameBitsForAnyNumberOfThreads()
    {
        ImageDataset train = Strokes(160, 1), test = Strokes(60, 2);
        List<double> losses = [], others = [];
        using var kernels = new CpuKernels(1);
        using var classifier = new ImageClassifier(Small, kernels, seed: 1);
        using (var trainer = new ClassifierTrainer(classifier, train, Short)) trainer.Run(new ImmediateSteps(step => losses.Add(step.Loss)));
        var result = classifier.Classify(test);
        Assert.That(losses, Has.Count.EqualTo(60));
        Assert.That(losses[0], Is.EqualTo(Math.Log(2)).Within(0.35));
        Assert.That(losses[^10..].Average(), Is.LessThan(0.1));
        Assert.That(result.CountCorrect(test.Labels.Span), Is.GreaterThanOrEqualTo(58));
        Assert.That(result.CountPerClass().Sum(), Is.EqualTo(60));

        classifier.Save(_path);
        using var two = new CpuKernels(2);
        using var saved = ImageClassifier.Load(_path, two);
        Assert.That(saved.Classify(test).Probabilities, Is.EqualTo(result.Probabilities));
        using var again = new ImageClassifier(Small, two, seed: 1);
        using var stop = new CancellationTokenSource();
        using var half = new ClassifierTrainer(again, train, Short);
        Assert.That(() => half.Run(new ImmediateSteps(step =>
        {
            others.Add(step.Loss);
            if (step.Step == 12) stop.Cancel();
        }), stop.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(others, Is.EqualTo(losses[..12]));
    }

    [Test]
    public void AnImagesResultDoesNotDependOnTheOthers()
    {
        using var classifier = new ImageClassifier(Small, seed: 4);
        // More than one batch, and a smaller last one.
        ImageDataset images = Strokes(70, 5);
        var all = classifier.Classify(images);
        foreach (int i in new[] { 0, 3, 63, 64, 69 })
        {
            var alone = classifier.Classify(images.Subset(i, 1));
            Assert.That(alone.Labels[0], Is.EqualTo(all.Labels[i]));
            Assert.That(alone.Features, Is.EqualTo(all.Features[(i * all.FeatureCount)..((i + 1) * all.FeatureCount)]));
            Assert.That(alone.Probabilities, Is.EqualTo(all.Probabilities[(2 * i)..(2 * i + 2)]));
            Assert.That(alone.Probabilities.Sum(), Is.EqualTo(1).Within(1e-6));
            Assert.That(alone.Confidence(0), Is.EqualTo(alone.Probabilities.Max()));
        }
        Assert.That(all.Features.Distinct().Count(), Is.GreaterThan(all.FeatureCount));
    }

    [Test]
    public void FloatsOfTheNetworksSizeGiveTheSameAsPaddedBytes()
    {
        using var classifier = new ImageClassifier(Small, seed: 4);
        ImageDataset images = Strokes(3, 6), padded = images.PadTo(12);
        float[] pixels = new float[3 * padded.RowLength];
        for (int i = 0; i < 3; i++) padded.CopyRow(i, pixels.AsSpan(i * padded.RowLength, padded.RowLength));
        Assert.That(classifier.Classify(pixels).Probabilities, Is.EqualTo(classifier.Classify(images).Probabilities));
        Assert.That(() => classifier.Classify(new float[145]), Throws.ArgumentException.With.Message.Contains("145"));
    }

    [Test]
    public void SavedClassifierIsTheSame()
    {
        using var classifier = new ImageClassifier(Small, seed: 7);
        classifier.Save(_path);
        using var loaded = ImageClassifier.Load(_path);
        Assert.That(loaded.Config.ClassNames, Is.EqualTo(Small.ClassNames));
        Assert.That(loaded.Config with { ClassNames = Small.ClassNames }, Is.EqualTo(Small));
        ImageDataset images = Strokes(5, 8);
        Assert.That(loaded.Classify(images).Probabilities, Is.EqualTo(classifier.Classify(images).Probabilities));

        classifier.Save(_path, DType.F16);
        using var half = ImageClassifier.Load(_path);
        Assert.That(half.Classify(images).Probabilities, Is.EqualTo(classifier.Classify(images).Probabilities).Within(5e-3));
    }

    [TestCase("levels", 30, "levels")]
    [TestCase("width", 12, "multiple of 8")]
    [TestCase("width", 1024, "tensors hold")]
    [TestCase("width", -8, "width")]
    [TestCase("image_size", 13, "multiple of 2")]
    [TestCase("image_size", 2000000000, "image size")]
    [TestCase("blocks", 2000000000, "blocks")]
    [TestCase("norm_groups", 0, "norm groups")]
    [TestCase("in_channels", 3, "tensors hold")]
    [TestCase("class_names", null, "c.safetensors")]
    public void RefusesMetadataThatDoNotFit(string key, int? value, string message)
    {
        SaveWith(config => config[key] = value);
        Assert.That(() => ImageClassifier.Load(_path), Throws.TypeOf<CheckpointException>().With.Message.Contains(message).And.Message.Contains(_path));
    }

    [Test]
    public void RefusesOtherFiles()
    {
        SaveWith(_ => { }, architecture: "adm_unet");
        Assert.That(() => ImageClassifier.Load(_path), Throws.TypeOf<CheckpointException>().With.Message.Contains("adm_unet"));
        SaveWith(_ => { }, format: null);
        Assert.That(() => ImageClassifier.Load(_path), Throws.TypeOf<CheckpointException>().With.Message.Contains("not written by this tool"), "keys of others");
        SaveWith(_ => { }, architecture: null, tensor: "other");
        Assert.That(() => ImageClassifier.Load(_path), Throws.TypeOf<CheckpointException>());
        File.WriteAllText(_path, "not a checkpoint");
        Assert.That(() => ImageClassifier.Load(_path), Throws.TypeOf<CheckpointException>().With.Message.Contains(_path));
    }

    [Test]
    public void GreysThatWereStoredAsRgbAreGreys()
    {
        using var classifier = new ImageClassifier(Small);
        byte[] pixels = [.. Enumerable.Range(0, 16).Select(i => (byte)(i * 16))];
        var grey = new ImageDataset(4, 4, 1, pixels, new int[1], ["0"]);
        var rgb = new ImageDataset(4, 4, 3, pixels.SelectMany(p => new[] { p, p, p }).ToArray(), new int[1], ["0"]);
        Assert.That(classifier.Classify(rgb).Probabilities, Is.EqualTo(classifier.Classify(grey).Probabilities));
    }

    [Test]
    public void RefusesImagesThatDoNotFit()
    {
        using var classifier = new ImageClassifier(Small);
        var colour = new ImageDataset(4, 4, 3, Enumerable.Range(0, 48).Select(i => (byte)i).ToArray(), new int[1], ["0"]);
        var large = new ImageDataset(13, 4, 1, new byte[52], new int[1], ["0"]);
        Assert.That(() => classifier.Classify(colour), Throws.ArgumentException.With.Message.Contains("3 channels"));
        Assert.That(() => classifier.Classify(large), Throws.ArgumentException.With.Message.Contains("13x4"));
        var classes = new ImageDataset(4, 4, 1, new byte[16], new int[1], ["0", "1", "2"]);
        Assert.That(() => new ClassifierTrainer(classifier, classes, Short), Throws.ArgumentException.With.Message.Contains("3 classes"));
        Assert.That(() => new ClassifierTrainer(classifier, Strokes(4, 1), Short with { Epochs = 0 }), Throws.ArgumentException.With.Message.Contains("epochs"));
    }

    [Test]
    public void StopsWhenCancelledOrDiverged()
    {
        using var classifier = new ImageClassifier(Small, seed: 1);
        using var trainer = new ClassifierTrainer(classifier, Strokes(32, 1), Short);
        using var cancellation = new CancellationTokenSource();
        Assert.That(() => trainer.Run(new ImmediateSteps(step => cancellation.Cancel()), cancellation.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(trainer.Step, Is.EqualTo(1));
        Assert.That(() => classifier.Classify(Strokes(2, 1), cancellation: cancellation.Token), Throws.InstanceOf<OperationCanceledException>());

        classifier.Kernels.Upload([float.NaN], classifier.Parameters.ValueOf(classifier.Parameters["head.bias"]));
        Assert.That(() => trainer.Run(), Throws.TypeOf<TrainingDivergedException>().With.Message.Contains("step 2"));
    }

    // A stroke somewhere, downwards or across, over noise.
    private static ImageDataset Strokes(int count, ulong seed)
    {
        const int size = 10;
        byte[] pixels = new byte[count * size * size];
        int[] labels = new int[count];
        for (int i = 0; i < count; i++)
        {
            labels[i] = Draw(seed, i, 0, 2);
            int at = 1 + Draw(seed, i, 1, size - 2);
            for (int p = 0; p < size * size; p++)
                pixels[i * size * size + p] = (byte)(Draw(seed, i, 2 + (uint)p, 60) + ((labels[i] == 0 ? p % size : p / size) == at ? 180 : 0));
        }
        return new ImageDataset(size, size, 1, pixels, labels, ["down", "across"]);
    }

    private static int Draw(ulong seed, int image, uint element, int range) =>
        (int)(Philox.Uniform(seed, (uint)image, 0, RandomStream.Order, element) * range);

    private void SaveWith(Action<JsonNode> change, string? architecture = "groupnorm_classifier", string? tensor = null, string? format = "nativediffusion")
    {
        using (var classifier = new ImageClassifier(Small)) classifier.Save(_path);
        List<TensorEntry> tensors = [];
        Dictionary<string, string> metadata;
        using (var file = SafetensorsFile.Open(_path))
        {
            metadata = new Dictionary<string, string>(file.Metadata);
            foreach (var t in file.Tensors) tensors.Add(TensorEntry.Of(t.Name, [.. t.Shape], file.ReadFloat(t.Name), DType.F32));
        }
        if (tensor is not null) tensors[0] = TensorEntry.Of(tensor, [1], new float[1], DType.F32);
        JsonNode config = JsonNode.Parse(metadata["config"])!;
        change(config);
        metadata["config"] = config.ToJsonString();
        metadata.Remove("architecture");
        if (architecture is not null) metadata["architecture"] = architecture;
        metadata.Remove("format");
        if (format is not null) metadata["format"] = format;
        SafetensorsWriter.Write(_path, tensors, metadata);
    }

    private sealed class ImmediateSteps(Action<TrainingStep> report) : IProgress<TrainingStep>
    {
        public void Report(TrainingStep value) => report(value);
    }
}
