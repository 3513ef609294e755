using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Autoencoders;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Schedules;
using NativeDiffusion.Runtime;
using NativeDiffusion.Tests.Model.Autoencoders;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Guiders;

/// <summary>EluCD through the decoder of latents: its direction by central differences, its size by the paper's rule.</summary>
[TestFixture]
public sealed class EluCdLatentGuiderTests
{
    private const int Pixels = TinyAutoencoder.Latents * TinyAutoencoder.Latents, Length = Pixels * TinyAutoencoder.Channels;

    private static readonly EluCdSettings Settings = new() { Scale = 0.1, JointTemperature = 1, MarginalTemperature = 0.5, Sine = 0.3 };

    private string _file = "";

    [OneTimeSetUp]
    public void WriteAutoencoder() => TinyAutoencoder.Write(_file = Path.GetTempFileName());

    [OneTimeTearDown]
    public void Delete() => File.Delete(_file);

    [TestCase(3, Description = "as DiT's authors guide")]
    [TestCase(4)]
    public void A_step_goes_along_the_gradient_by_as_much_as_guidance_changes_the_noise(int guidedChannels)
    {
        using var world = new World(_file);
        // One sample with guidance, one without: it has no difference, and so no shift.
        SampleRequest[] requests = [new(1, new GuidanceScale(1.5), 0), new(2, new GuidanceScale(1), 1)];
        // Low levels, so that latents of a network that has learned nothing stay of the size that a decoder sees.
        var levels = world.Model.Settings.Discrete().Respace([50, 150, 250]).Levels();
        float[] Denoised(EluCdLatentGuider? guider, int row)
        {
            float[] denoised = [];
            using var sampler = new GuidedSampler(world.Model, Samplers.Ddim(levels, PredictionType.Eps, clip: false, rederiveEps: true), new GuidedSamplerOptions
            {
                Batch = 2, Seed = 6, GuidedChannels = guidedChannels, Guidance = new Guidance { Gradients = guider is null ? [] : [guider] },
                Observer = o => denoised = o.Row == row ? Download(world, o.Denoised) : denoised,
            });
            sampler.Sample(requests, (_, _) => { });
            return denoised;
        }
        // One step alone, in the middle, so that what is before is the same in both.
        const int Row = 1;
        var guider = new EluCdLatentGuider(world.Classifier, world.Decoder, Settings);
        float[] plain = Denoised(null, Row);
        float[] moved = Denoised(new EluCdLatentGuider(world.Classifier, world.Decoder, Settings) { When = guider.When.Inside(GuidanceInterval.Steps(Row, Row)) }, Row);
        double[] shift = [.. moved.Zip(plain, (m, p) => (double)m - p)];
        Assert.That(shift[Length..], Has.All.Zero, "without guidance there is no size to take");

        double[] gradient = Differences(world, plain[..Length], label: 1), used = [.. gradient.Select((g, i) => i % TinyAutoencoder.Channels < guidedChannels ? g : 0)];
        double along = shift.Zip(used, (s, g) => s * g).Sum() / (Size(shift) * Size(used));
        Assert.That(along, Is.GreaterThan(0.999), "direction, and its sign: towards the class");
        // w of the schedule, s of guidance, R of what the class changes in the noise, and noise to clean sample.
        double w = Settings.Scale * ((3 + 1.0 - Row) / 4 + 0.3 * Math.Sin(Math.PI * Row / 3)), s = 1.5;
        double[] changed = NoiseDifference(world, requests[0], levels, guidedChannels, Row);
        double expected = levels[Row].Sigma / levels[Row].Alpha * s * w * Size(changed);
        Assert.That(Size(shift[..Length]), Is.EqualTo(expected).Within(1e-3 * expected));
    }

    [Test]
    public void What_does_not_fit_is_refused()
    {
        using var world = new World(_file);
        using var images = TinyModel.Create(world.Kernels);
        using var small = new ImageClassifier(new ClassifierConfig { ImageSize = 8, InChannels = 3, ClassNames = ["a", "b", "c"], Width = 8, Levels = 2, NormGroups = 4 }, world.Kernels);
        var guider = new EluCdLatentGuider(world.Classifier, world.Decoder);
        Assert.That(() => new EluCdLatentGuider(small, world.Decoder), Throws.ArgumentException.With.Message.Contains("8 pixels").And.Message.Contains("16"));
        Assert.That(() => Make(images, guider), Throws.ArgumentException.With.Message.Contains("makes images"));
        Assert.That(() => Make(world.Model, new EluCdGuider(world.Classifier), SamplerKind.Ancestral), Throws.ArgumentException.With.Message.Contains("decoder"));
        Assert.That(() => Make(world.Model, guider, branches: []), Throws.ArgumentException.With.Message.Contains("add cfg"));

        static void Make(DiffusionModel model, GradientGuider guider, SamplerKind kind = SamplerKind.Ddim, IReadOnlyList<Branch>? branches = null)
        {
            using var sampler = new GuidedSampler(
                model, new SamplerSettings { Kind = kind, Steps = 2, Clip = false }, new GuidedSamplerOptions { Guidance = new Guidance { Gradients = [guider], Branches = branches ?? [new NullBranch()] } });
        }
    }

    [Test]
    public void Universal_guidance_goes_through_the_decoder_too_and_samples_do_not_depend_on_their_batch()
    {
        using var world = new World(_file);
        SampleRequest[] requests = [.. Enumerable.Range(0, 3).Select(i => new SampleRequest(i, new GuidanceScale(1.5), i))];
        float[][] Sample(Guidance guidance, int batch)
        {
            float[][] latents = new float[3][];
            using var sampler = new GuidedSampler(
                world.Model, new SamplerSettings { Kind = SamplerKind.Ddim, Steps = 3, Clip = false }, new GuidedSamplerOptions { Batch = batch, Guidance = guidance });
            sampler.Sample(requests, (i, values) => latents[i] = values.ToArray());
            return latents;
        }
        var plain = Sample(new Guidance(), 3);
        foreach (GradientGuider guider in new GradientGuider[]
        {
            new EluCdLatentGuider(world.Classifier, world.Decoder),
            new UniversalGuider(new ClassifierObjective(world.Classifier, decoder: world.Decoder), new UniversalSettings { Backward = new BackwardGuidance(2) }),
        })
        {
            var guidance = new Guidance { Gradients = [guider] };
            float[][] all = Sample(guidance, 3);
            Assert.That(Sample(guidance, 1), Is.EqualTo(all), guider.Name);
            Assert.That(all[0], Is.Not.EqualTo(plain[0]), guider.Name);
            Assert.That(LogProbability(world, all[0], 0), Is.GreaterThan(LogProbability(world, plain[0], 0)), guider.Name);
        }
    }

    /// <summary>The objective's gradient at latents by central differences.</summary>
    private static double[] Differences(World world, float[] latents, int label)
    {
        const float Step = 0.02f;
        float[] Moved(float by) => [.. Enumerable.Range(0, Length).SelectMany(i => latents.Select((v, j) => i == j ? v + by : v))];
        double[] up = Objective(world, Moved(Step), label), down = Objective(world, Moved(-Step), label);
        return [.. up.Zip(down, (u, d) => (u - d) / (2 * Step))];
    }

    private static double LogProbability(World world, float[] latents, int label) => Objective(world, latents, label)[0];

    /// <summary>tau1 f_y - log sum exp(tau2 f) of each sample, in double from the logits.</summary>
    private static double[] Objective(World world, float[] latents, int label)
    {
        int n = latents.Length / Length;
        var b = new PlanBuilder(world.Kernels);
        var x = b.Input("x", new Shape(n, TinyAutoencoder.Latents, TinyAutoencoder.Latents, TinyAutoencoder.Channels));
        var pictures = world.Decoder.Record(b, x);
        var logits = b.Output("logits", b.With(world.Classifier.Parameters, () => world.Classifier.RecordLogits(b, pictures, x)));
        using var plan = b.Build();
        world.Kernels.Upload(latents, x.View);
        plan.Run();
        float[] f = Download(world, logits.View);
        return [.. Enumerable.Range(0, n).Select(i => f[3 * i + label] - Math.Log(Enumerable.Range(0, 3).Sum(k => Math.Exp(0.5 * f[3 * i + k]))))];
    }

    /// <summary>What the class changes in the predicted noise at a step of an unguided run, in the channels that are guided.</summary>
    private static double[] NoiseDifference(World world, SampleRequest request, NoiseLevel[] levels, int guidedChannels, int row)
    {
        float[] state = [];
        using var sampler = new GuidedSampler(world.Model, Samplers.Ddim(levels, PredictionType.Eps, clip: false, rederiveEps: true), new GuidedSamplerOptions
        {
            Batch = 1, Seed = 6, GuidedChannels = guidedChannels, AfterEvaluation = (r, view) => state = r == row - 1 ? Download(world, view) : state,
        });
        sampler.Sample([request], (_, _) => { });
        var b = new PlanBuilder(world.Kernels, world.Model.Parameters);
        Tensor x = b.Input("x", new Shape(2, TinyAutoencoder.Latents, TinyAutoencoder.Latents, TinyAutoencoder.Channels)), t = b.Input("t", new Shape(2)), y = b.Input("y", new Shape(2));
        var output = b.Output("eps", b.Slice(world.Model.Network.Record(b, x, t, y), 0, TinyAutoencoder.Channels));
        using var plan = b.Build();
        world.Kernels.Upload([.. state, .. state], x.View);
        world.Kernels.Upload([.. Enumerable.Repeat((float)levels[row].Timestep, 2)], t.View);
        world.Kernels.Upload([request.Label, world.Model.NullLabel], y.View);
        plan.Run();
        float[] eps = Download(world, output.View);
        return [.. Enumerable.Range(0, Length).Select(i => i % TinyAutoencoder.Channels < guidedChannels ? (double)eps[i] - eps[Length + i] : 0)];
    }

    private static double Size(double[] values) => Math.Sqrt(values.Sum(v => v * v));

    private static float[] Download(World world, TensorView view)
    {
        float[] values = new float[view.Count];
        world.Kernels.Download(view, values);
        return values;
    }

    private sealed class World : IDisposable
    {
        public World(string autoencoder)
        {
            Model = TinyAutoencoder.Model(Kernels);
            Decoder = LatentDecoder.Load(autoencoder, Model);
            Classifier = new ImageClassifier(
                new ClassifierConfig { ImageSize = TinyAutoencoder.Pictures, InChannels = 3, ClassNames = ["a", "b", "c"], Width = 8, Levels = 2, NormGroups = 4 }, Kernels, 3);
            TinyModel.FillRandom(Classifier.Parameters, Kernels);
        }

        public IKernels Kernels { get; } = new CpuKernels(2);

        public DiffusionModel Model { get; }

        public LatentDecoder Decoder { get; }

        public ImageClassifier Classifier { get; }

        public void Dispose()
        {
            Classifier.Dispose();
            Decoder.Dispose();
            Model.Dispose();
            Kernels.Dispose();
        }
    }
}
