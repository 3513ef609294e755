using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Metrics;
using NativeDiffusion.Model.Metrics.Features;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Metrics;

[TestFixture]
public sealed class FeatureNetworkTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("features").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Features_of_a_classifier_are_those_it_classifies_by_whatever_the_batch()
    {
        using var kernels = new CpuKernels(2);
        using var network = FeatureNetwork.Open(null, kernels);
        var digits = ShippedDigits.LoadTest().Subset(0, 70);
        var found = network.Extract(ImageSource.Of(digits, "digits", labelled: true));
        using var classifier = ImageClassifier.LoadShippedDigits(kernels);
        var expected = classifier.Classify(digits);
        Assert.That(network.Name, Does.Match("^digits-classifier .* [0-9a-f]{8}$"));
        for (int i = 0; i < digits.Count; i++)
        {
            Assert.That(found.Features.Row(i).ToArray(), Is.EqualTo(expected.Features.AsSpan(i * network.Features, network.Features).ToArray()));
            Assert.That(found.Probabilities!.Row(i).ToArray(), Is.EqualTo(expected.Probabilities.AsSpan(i * 10, 10).ToArray()));
        }
        Assert.That(found.Labels, Is.EqualTo(digits.Labels.ToArray()));
        Assert.That(() => network.Extract(ImageSource.Of(new ImageDataset(4, 4, 3, (byte[])[9, .. new byte[47]], new int[1], ["x"]), "rgb", labelled: false)),
            Throws.ArgumentException.With.Message.Contains("3 channels"));
    }

    [Test]
    public void It_serves_one_caller_and_is_not_disposed_under_it()
    {
        using var kernels = new CpuKernels(1);
        var network = FeatureNetwork.Open(null, kernels);
        var images = ImageSource.Of(ShippedDigits.LoadTest().Subset(0, 3), "digits", labelled: true);
        network.Extract(images, progress: new Immediately(() =>
        {
            Assert.That(() => network.Extract(images), Throws.InvalidOperationException.With.Message.Contains("one for each thread"));
            Assert.That(network.Dispose, Throws.InvalidOperationException);
        }));
        network.Dispose();
        Assert.That(() => network.Extract(images), Throws.TypeOf<ObjectDisposedException>());
    }

    private sealed class Immediately(Action act) : IProgress<int>
    {
        public void Report(int value) => act();
    }

    [Test]
    public void The_inception_network_has_the_published_layers()
    {
        var layers = InceptionLayers.All;
        Assert.That(layers, Has.Count.EqualTo(94));
        Assert.That(layers.Select(l => l.Name).Distinct().Count(), Is.EqualTo(94));
        // The published count without the auxiliary head, of 1000 classes, less its last layer.
        Assert.That(layers.Sum(l => (long)l.To * l.From * l.Rows * l.Columns + 2 * l.To), Is.EqualTo(23_834_568 - 2_049_000));
    }

    [Test]
    public void Another_inception_network_is_refused()
    {
        string path = Path.Combine(_folder, "inception.safetensors");
        SafetensorsWriter.Write(path,
        [
            TensorEntry.Of("Mixed_7c.branch_pool.conv.weight", [1], new float[1].AsMemory()), TensorEntry.Of("fc.weight", [10, 2048], new float[20480].AsMemory()),
        ], new Dictionary<string, string>());
        using var kernels = new CpuKernels(1);
        Assert.That(() => FeatureNetwork.Open(path, kernels), Throws.InstanceOf<CheckpointException>().With.Message.Contains("1008 classes"));
    }

    [Test]
    public void The_inception_network_gives_features_of_pictures_of_any_size()
    {
        string path = Path.Combine(_folder, "inception.safetensors");
        var random = new Random(1);
        var entries = new List<TensorEntry>();
        foreach (var l in InceptionLayers.All)
        {
            double scale = Math.Sqrt(2.0 / (l.From * l.Rows * l.Columns));
            entries.Add(Random(l.Name + ".conv.weight", scale, l.To, l.From, l.Rows, l.Columns));
            entries.Add(TensorEntry.Of(l.Name + ".bn.weight", [l.To], Enumerable.Repeat(2f, l.To).ToArray().AsMemory()));
            entries.Add(TensorEntry.Of(l.Name + ".bn.bias", [l.To], new float[l.To].AsMemory()));
            entries.Add(TensorEntry.Of(l.Name + ".bn.running_mean", [l.To], new float[l.To].AsMemory()));
            entries.Add(TensorEntry.Of(l.Name + ".bn.running_var", [l.To], Enumerable.Repeat(4f, l.To).ToArray().AsMemory()));
        }
        entries.Add(Random("fc.weight", 0.02, 1008, 2048));
        entries.Add(TensorEntry.Of("fc.bias", [1008], new float[1008].AsMemory()));
        SafetensorsWriter.Write(path, entries, new Dictionary<string, string>());

        using var kernels = new CpuKernels();
        using var network = FeatureNetwork.Open(path, kernels);
        byte[] pixels = new byte[20 * 30];
        random.NextBytes(pixels);
        var found = network.Extract(ImageSource.Of(new ImageDataset(20, 30, 1, pixels, new int[1], ["x"]), "grey", labelled: false));
        Assert.That((network.Name, found.Features.Features, found.SpatialMoments!.Features, found.Probabilities!.Features), Is.EqualTo(("inception-2015-12-05 pool3", 2048, 2023, 1008)));
        double mean = found.Features.Row(0).ToArray().Average();
        Assert.That(mean, Is.InRange(0.05, 5), "signals neither vanish nor grow");

        TensorEntry Random(string name, double scale, params long[] shape)
        {
            float[] values = new float[shape.Aggregate(1L, (a, b) => a * b)];
            for (int i = 0; i < values.Length; i++) values[i] = (float)(scale * 3.46 * (random.NextDouble() - 0.5));
            return TensorEntry.Of(name, shape, values.AsMemory());
        }
    }

    [Test]
    public void Statistics_come_back_with_their_network()
    {
        var moments = FeatureMoments.Of(RandomFeatures.Set(20, 6, 1));
        string path = Path.Combine(_folder, "statistics.npz");
        new StatisticsFile(moments.Statistics(), null).Write(path);
        var read = StatisticsFile.Read(path);
        Assert.That(StatisticsFile.IsOne(path));
        Assert.That((read.Pooled.Network, read.Pooled.Count, read.Spatial), Is.EqualTo((RandomFeatures.Network, (long?)20, (GaussianStatistics?)null)));
        Assert.That(read.Pooled.Mean, Is.EqualTo(moments.Statistics().Mean));
        Assert.That(read.Pooled.Covariance, Is.EqualTo(moments.Statistics().Covariance));
    }

    [Test]
    public void Statistics_that_do_not_name_their_network_are_inceptions_if_they_can_be()
    {
        Assert.That(StatisticsFile.Read(Published(2048)).Pooled.Network, Is.EqualTo("inception-2015-12-05 pool3"));
        Assert.That(StatisticsFile.Read(Published(5)).Pooled.Network, Does.Contain("unnamed network of 5 features"));
        string wrong = Path.Combine(_folder, "wrong.npz");
        NpzWriter.Write(wrong, [("mu", NpyArray.From(new double[3], 3)), ("sigma", NpyArray.From(new double[4], 2, 2))]);
        Assert.That(() => StatisticsFile.Read(wrong), Throws.InstanceOf<InvalidDataException>().With.Message.Contains(wrong).And.Message.Contains("(2, 2)"));

        string Published(int features)
        {
            string path = Path.Combine(_folder, $"{features}.npz");
            NpzWriter.Write(path, [("mu", NpyArray.From(new double[features], features)), ("sigma", NpyArray.From(new double[features * features], features, features))]);
            return path;
        }
    }
}
