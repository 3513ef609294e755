using System.Collections.Immutable;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Classifiers;

/// <summary>ResNets without a reference: counts, inferred architectures, gradients against differences in double, the limit of softplus.</summary>
[TestFixture]
public sealed class ResNetTests
{
    private static readonly ResNetConfig Tiny = new() { Layers = [1, 1], Width = 4, Classes = 3, Stem = ResNetStem.Cifar, Shortcut = ResNetShortcut.ZeroPadded };

    [TestCase(18, 11_689_512)]
    [TestCase(34, 21_797_672)]
    [TestCase(50, 25_557_032)]
    [TestCase(101, 44_549_160)]
    [TestCase(152, 60_192_808)]
    public void Published_networks_have_their_number_of_parameters(int depth, long count) =>
        Assert.That(new ResNet(ResNetConfig.OfDepth(depth)).PublishedCount, Is.EqualTo(count));

    [TestCase(20, 269_722)]
    [TestCase(32, 464_154)]
    [TestCase(44, 658_586)]
    [TestCase(56, 853_018)]
    public void Cifar_networks_have_their_number_of_parameters(int depth, long count) =>
        Assert.That(new ResNet(ResNetConfig.Cifar(depth)).PublishedCount, Is.EqualTo(count));

    private static IEnumerable<ResNetConfig> Configs =>
    [
        ResNetConfig.OfDepth(18), ResNetConfig.OfDepth(50), ResNetConfig.Cifar(20), Tiny, Tiny with { Shortcut = ResNetShortcut.Projection, InChannels = 1 },
        new() { Block = ResNetBlock.Bottleneck, Layers = [1, 2, 1], Width = 6, Classes = 9 },
        new() { Block = ResNetBlock.Bottleneck, Layers = [2, 1], Width = 6, Stem = ResNetStem.Cifar },
    ];

    [TestCaseSource(nameof(Configs))]
    public void Its_shapes_give_the_configuration_back(ResNetConfig config)
    {
        var inferred = ResNetConfig.Infer(new ResNet(config).Published.ToDictionary(t => t.Key, t => t.Extents));
        Assert.That(inferred, Is.Not.Null);
        Assert.That(inferred! with { Layers = config.Layers }, Is.EqualTo(config));
        Assert.That(inferred.Layers, Is.EqualTo(config.Layers));
    }

    [Test]
    public void Other_networks_are_no_resnet()
    {
        var shapes = new ResNet(Tiny).Published.ToDictionary(t => t.Key, t => t.Extents);
        Assert.That(ResNetConfig.Infer(new Dictionary<string, long[]>()), Is.Null);
        foreach (string key in (string[])["conv1.weight", "bn1.running_var", "layer1.0.conv1.weight", "linear.weight"])
            Assert.That(ResNetConfig.Infer(shapes.Where(s => s.Key != key).ToDictionary()), Is.Null, "without " + key);
        shapes["conv1.weight"] = [1L << 40, 3, 3, 3];
        Assert.That(ResNetConfig.Infer(shapes), Is.Null, "hostile extents");
    }

    [Test]
    public void Impossible_configurations_are_refused()
    {
        Assert.That(() => new ResNet(Tiny with { Layers = [] }), Throws.ArgumentException.With.Message.Contains("stages"));
        Assert.That(() => new ResNet(Tiny with { Layers = [0, 1] }), Throws.ArgumentException.With.Message.Contains("blocks"));
        Assert.That(() => new ResNet(Tiny with { Width = 3 }), Throws.ArgumentException.With.Message.Contains("even width"));
        Assert.That(() => new ResNet(Tiny with { Block = ResNetBlock.Bottleneck }), Throws.ArgumentException.With.Message.Contains("basic blocks"));
        Assert.That(() => ResNetConfig.OfDepth(19), Throws.ArgumentException.With.Message.Contains("19"));
        Assert.That(() => ResNetConfig.Cifar(21), Throws.ArgumentException.With.Message.Contains("21"));
    }

    [Test]
    public void A_tensor_that_does_not_fit_is_named()
    {
        using var run = new ResNetRun(Tiny, 1, 8);
        Assert.That(() => run.Read(t => t.Name == "layer2.0.bn1.bias" ? null : t), Throws.TypeOf<CheckpointException>().With.Message.Contains("layer2.0.bn1.bias"));
        Assert.That(() => run.Read(t => t.Name == "linear.weight" ? TensorEntry.Of("linear.weight", [3, 1], new float[3]) : t),
            Throws.TypeOf<CheckpointException>().With.Message.Contains("[3,1] instead of [3,8]"));
        Assert.That(() => run.Read(t => t, TensorEntry.Of("layer9.0.conv1.weight", [1], new float[1])),
            Throws.TypeOf<CheckpointException>().With.Message.Contains("layer9.0.conv1.weight"));
        Assert.That(() => run.Read(t => t, TensorEntry.Of("bn1.num_batches_tracked", [1], new float[1])), Throws.Nothing);
    }

    /// <summary>The whole way from unfolded weights: gradients of the recorded network against differences of one written in double.</summary>
    [Test]
    public void Gradients_are_those_of_the_network_in_double(
        [Values(2.0, double.PositiveInfinity)] double beta, [Values] ResNetStem stem, [Values] ResNetBlock block)
    {
        var config = new ResNetConfig { Block = block, Layers = [1, 1], Width = 4, Classes = 3, Stem = stem,
            Shortcut = stem == ResNetStem.Cifar && block == ResNetBlock.Basic ? ResNetShortcut.ZeroPadded : ResNetShortcut.Projection };
        using var run = new ResNetRun(config, 2, 11);
        run.Read(t => t);
        var (logits, gradient) = run.Evaluate(beta);
        double[] x = [.. run.Images.Select(v => (double)v)];
        double[] exact = run.Oracle.Logits(x, beta);
        for (int i = 0; i < exact.Length; i++) Assert.That(logits[i], Is.EqualTo(exact[i]).Within(1e-5 * (1 + exact.Max(Math.Abs))), $"logit {i}");

        double Objective() => run.Oracle.Logits(x, beta).Zip(run.Cotangent, (f, c) => f * c).Sum();
        double largest = gradient.Max(Math.Abs);
        for (int i = 0; i < x.Length; i += 41)
        {
            const double Step = 1e-6;
            double value = x[i];
            x[i] = value + Step;
            double above = Objective();
            x[i] = value - Step;
            double difference = (above - Objective()) / (2 * Step);
            x[i] = value;
            Assert.That(gradient[i], Is.EqualTo(difference).Within(2e-5 * largest), $"gradient element {i}");
        }
    }

    [Test]
    public void A_large_beta_is_relu()
    {
        using var run = new ResNetRun(Tiny, 2, 8);
        run.Read(t => t);
        var (relu, reluGradient) = run.Evaluate(double.PositiveInfinity);
        var (softplus, softplusGradient) = run.Evaluate(1e4);
        Assert.That(softplus, Is.EqualTo(relu).Within(1e-3));
        double differing = reluGradient.Zip(softplusGradient, (a, b) => Math.Abs(a - b)).Count(d => d > 1e-2 * reluGradient.Max(Math.Abs));
        Assert.That(differing, Is.LessThanOrEqualTo(0.02 * reluGradient.Length), "elements whose gradient differs");
    }

    [Test]
    public void An_image_does_not_depend_on_its_batch()
    {
        using var both = new ResNetRun(Tiny, 2, 8);
        both.Read(t => t);
        using var one = new ResNetRun(Tiny, 1, 8);
        one.Read(t => t);
        var (logits, gradient) = one.Evaluate(2);
        var (allLogits, allGradient) = both.Evaluate(2);
        Assert.That(allLogits[..3], Is.EqualTo(logits));
        Assert.That(allGradient[..gradient.Length], Is.EqualTo(gradient));
    }

    /// <summary>A network with random weights in a checkpoint, the images that it looks at, and the same network in double.</summary>
    private sealed class ResNetRun : IDisposable
    {
        private readonly CpuKernels _kernels = new(2);
        private readonly Parameters _parameters;
        private readonly ResNet _network;
        private readonly ImmutableArray<TensorEntry> _tensors;
        private readonly Shape _shape;
        private readonly string _path = Path.Combine(TestContext.CurrentContext.WorkDirectory, $"resnet-{Guid.NewGuid():n}.safetensors");

        public ResNetRun(ResNetConfig config, int batch, int size)
        {
            var random = new Random(7);
            float Normal() => (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
            _parameters = new Parameters(_kernels);
            _network = new ResNet(config);
            _network.Declare(_parameters);
            var weights = new Dictionary<string, (long[] Extents, float[] Values)>();
            foreach (var (key, extents) in _network.Published)
            {
                long count = extents.Aggregate(1L, (a, b) => a * b);
                bool positive = key.EndsWith("running_var", StringComparison.Ordinal) || (key.Contains("bn", StringComparison.Ordinal) && key.EndsWith("weight", StringComparison.Ordinal));
                double scale = extents.Length == 1 ? 0.3 : 1.5 / Math.Sqrt(count / extents[0]);
                weights[key] = (extents, [.. Enumerable.Range(0, (int)count).Select(_ => positive ? 0.5f + random.NextSingle() : (float)scale * Normal())]);
            }
            _tensors = [.. weights.Select(w => TensorEntry.Of(w.Key, w.Value.Extents, w.Value.Values))];
            _shape = new Shape(batch, size, size, config.InChannels);
            Images = [.. Enumerable.Range(0, (int)_shape.Count).Select(_ => Normal())];
            random = new Random(8);
            Cotangent = [.. Enumerable.Range(0, batch * config.Classes).Select(_ => Normal())];
            Oracle = new ResNetOracle(config, weights.ToDictionary(w => w.Key, w => w.Value.Values), batch, size);
        }

        public float[] Images { get; }

        public float[] Cotangent { get; }

        public ResNetOracle Oracle { get; }

        public void Read(Func<TensorEntry, TensorEntry?> change, params TensorEntry[] more)
        {
            SafetensorsWriter.Write(_path, [.. _tensors.Select(change).OfType<TensorEntry>(), .. more]);
            using var file = SafetensorsFile.Open(_path);
            _network.Read(file, "", _parameters, _kernels);
        }

        public (float[] Logits, float[] Gradient) Evaluate(double beta)
        {
            var b = new PlanBuilder(_kernels, _parameters);
            var x = b.Input("x", _shape);
            var logits = b.Output("logits", _network.Record(b, x, beta));
            var cotangent = b.Input("cotangent", logits.Shape);
            b.Backward(logits, cotangent, parameters: false, x);
            var dx = b.Output("dx", b.GradientOf(x));
            using var plan = b.Build();
            _kernels.Upload(Images, x.View);
            _kernels.Upload(Cotangent, cotangent.View);
            plan.Run();
            return (logits.View.Span.ToArray(), dx.View.Span.ToArray());
        }

        public void Dispose()
        {
            _parameters.Dispose();
            _kernels.Dispose();
            File.Delete(_path);
        }
    }
}
