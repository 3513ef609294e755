using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Schedules;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Guiders;

/// <summary>The gradient through the denoiser, steps on the clean sample, and what does not go with them.</summary>
[TestFixture]
public sealed class UniversalGuiderTests
{
    private const int Size = TinyModel.Size, Pixels = Size * Size;

    private static readonly NoiseLevel[] Levels = TinyModel.Settings.Discrete().Respace(Spacing.Section(1000, "4")).Levels();

    private static readonly SampleRequest[] Requests = [new(0, new GuidanceScale(3), 0), new(1, new GuidanceScale(1), 1), new(2, new GuidanceScale(0.4), 2)];

    private static IEnumerable<TestCaseData> Guidances()
    {
        TestCaseData Case(string name, params Branch[] branches) => new TestCaseData(branches, 0).SetArgDisplayNames(name);
        PerturbedBranch Perturbed(PerturbationKind kind) => new(kind, 1.5);
        yield return Case("no branch");
        yield return Case("cfg", new NullBranch());
        yield return Case("icg", new IndependentConditionBranch());
        yield return Case("cfg and pag", new NullBranch(), Perturbed(PerturbationKind.IdentityAttention));
        yield return Case("slg", Perturbed(PerturbationKind.SkippedBlock));
        yield return Case("seg", Perturbed(PerturbationKind.BlurredQueries));
        yield return new TestCaseData(new Branch[] { new NullBranch() }, 1).SetArgDisplayNames("cfg of one channel of two, learned variance");
    }

    /// <summary>What a run adds to the first clean prediction is the score's shift by the gradient of the guided prediction, as central differences of that prediction tell.</summary>
    [TestCaseSource(nameof(Guidances))]
    public void The_gradient_is_that_of_the_guided_prediction(Branch[] branches, int guidedChannels)
    {
        const double Weight = 0.02, Step = 0.01;
        int channels = guidedChannels == 0 ? 1 : 2, count = Requests.Length * Pixels * channels;
        using var kernels = new CpuKernels(2);
        using var model = TinyModel.CreateRandom(kernels, guidedChannels == 0 ? null : TinyModel.Network with { InChannels = 2, OutChannels = 4 });
        float[] start = Normal(count, 1), picture = Normal(count, 2);
        float[] First(float[] state, double weight)
        {
            float[] first = [];
            using var sampler = new GuidedSampler(model, Samplers.Ddim(Levels, PredictionType.V, clip: false, rederiveEps: true), new GuidedSamplerOptions
            {
                Batch = 8, InitialState = state, GuidedChannels = guidedChannels == 0 ? null : guidedChannels,
                Guidance = new Guidance { Branches = branches, Gradients = [new UniversalGuider(new ProductObjective(picture), new UniversalSettings { ForwardWeight = weight })] },
                Observer = o => first = o.Row == 0 ? Download(kernels, o.Denoised) : first,
            });
            sampler.Sample(Requests, (_, _) => { });
            return first;
        }
        // Almost no weight: without any, no gradient would be taken.
        float[] plain = First(start, 1e-30), guided = First(start, Weight);
        var level = Levels[0];
        double toGradient = level.Alpha / (level.Sigma * level.Sigma * Weight);
        double[] gradient = [.. plain.Select((p, i) => (guided[i] - p) * toGradient)];
        double size = Math.Sqrt(gradient.Sum(g => g * g));
        foreach (double[] direction in new[] { [.. gradient.Select(g => g / size)], Normal(count, 3).Select(v => v / Math.Sqrt(count)).ToArray() })
        {
            float[] Moved(double by) => [.. start.Select((z, i) => (float)(z + by * Math.Sqrt(count) * direction[i]))];
            double Value(float[] state) => First(state, 1e-30).Zip(picture, (x, c) => (double)x * c).Sum();
            double difference = (Value(Moved(Step)) - Value(Moved(-Step))) / (2 * Step * Math.Sqrt(count));
            Assert.That(difference, Is.EqualTo(gradient.Zip(direction, (g, d) => g * d).Sum()).Within(0.01 * size));
        }
    }

    [Test]
    public void A_backward_step_moves_each_pixel_by_the_learning_rate_but_for_samples_that_are_good_enough()
    {
        using var kernels = new CpuKernels(2);
        using var model = TinyModel.CreateRandom(kernels);
        float[] Last(BackwardGuidance? backward, bool clip)
        {
            float[] last = [];
            using var sampler = new GuidedSampler(model, Samplers.Ddim(Levels[^1..], PredictionType.V, clip: clip, rederiveEps: true), new GuidedSamplerOptions
            {
                Batch = 8, Seed = 4, Observer = o => last = Download(kernels, o.Denoised),
                Guidance = new Guidance
                {
                    Gradients = [new UniversalGuider(new ProductObjective([.. Enumerable.Repeat(1f / Pixels, 3 * Pixels)]), new UniversalSettings { ForwardWeight = backward is null ? 1e-30 : 0, Backward = backward })],
                },
            });
            sampler.Sample(Requests, (_, _) => { });
            return last;
        }
        foreach (bool clip in new[] { false, true })
        {
            float[] plain = Last(null, clip), moved = Last(new BackwardGuidance(1, 0.05), clip);
            double[] means = [.. Enumerable.Range(0, 3).Select(n => plain.Skip(n * Pixels).Take(Pixels).Average(v => (double)v))];
            // The loss is minus the mean: the brightest sample alone is below this.
            double[] sorted = [.. means.Order()];
            float[] chosen = Last(new BackwardGuidance(1, 0.05, -(sorted[1] + sorted[2]) / 2), clip);
            for (int i = 0; i < plain.Length; i++)
            {
                double most = clip ? 1 : double.PositiveInfinity, expected = Math.Min(plain[i] + 0.05, most);
                Assert.That(moved[i], Is.EqualTo(expected).Within(1e-5));
                Assert.That(chosen[i], Is.EqualTo(means[i / Pixels] == sorted[2] ? plain[i] : expected).Within(1e-5));
            }
        }
        Assert.That(Last(new BackwardGuidance(5, 0.05), false).Average(), Is.EqualTo(Last(null, false).Average() + 0.25).Within(1e-4), "five steps");
    }

    [Test]
    public void Recurrences_go_by_parts_of_the_steps()
    {
        var guidance = new Guidance { Recurrences = [3, 2, 1] };
        Assert.That(Enumerable.Range(0, 8).Select(s => guidance.RecurrencesAt(s, 8)), Is.EqualTo(new[] { 3, 3, 2, 2, 2, 1, 1, 1 }), "parts begin at the last step");
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.CreateRandom(kernels);
        using var sampler = new GuidedSampler(model, new SamplerSettings { Kind = SamplerKind.Ddim, Steps = 4 }, new GuidedSamplerOptions { Guidance = new Guidance { Recurrences = [2, 1] } });
        Assert.That(sampler.Evaluations(1), Is.EqualTo(6));
        int last = 0;
        sampler.Sample(Requests, (_, _) => { }, new Immediate(p => last = p.Evaluation));
        Assert.That(last, Is.EqualTo(6 * sampler.Groups(3)));
    }

    /// <summary>Half of the recurrence is a walk back that keeps the marginal: a model of pure noise, whose samples stay of unit variance.</summary>
    [Test]
    public void The_way_back_keeps_the_variance()
    {
        using var kernels = new CpuKernels(2);
        var network = TinyModel.Network with { ImageSize = 16 };
        // A network whose last layer is zero predicts v = 0, which is right for standard normal images.
        using var model = TinyModel.Create(kernels, network);
        foreach (int recurrences in new[] { 1, 4 })
        {
            float[][] states = new float[Levels.Length][];
            using var sampler = new GuidedSampler(model, Samplers.Algorithm2(Levels, PredictionType.V, v: 1, clip: false), new GuidedSamplerOptions
            {
                Guidance = Guidance.None with { Recurrences = [recurrences] }, Batch = 64, AfterEvaluation = (row, state) => states[row] = Download(kernels, state),
            });
            sampler.Sample([.. Enumerable.Range(0, 64).Select(i => new SampleRequest(-1, new GuidanceScale(1), i))], (_, _) => { });
            for (int row = 0; row < Levels.Length - 1; row++)
                Assert.That(states[row].Average(v => (double)v * v), Is.EqualTo(1).Within(0.03), $"{recurrences} recurrences, step {row}");
        }
    }

    [Test]
    public void What_does_not_go_together_is_refused_with_the_reason()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.CreateRandom(kernels);
        using var weak = TinyModel.Create(kernels);
        var objective = new ProductObjective([]);
        var universal = new UniversalGuider(objective);
        void Refused(Guidance guidance, string reason, SamplerKind kind = SamplerKind.Ddim) => Assert.That(
            () => new GuidedSampler(model, new SamplerSettings { Kind = kind, Steps = 3 }, new GuidedSamplerOptions { Guidance = guidance }), Throws.ArgumentException.With.Message.Contains(reason));
        Refused(new() { Gradients = [universal], Combination = ReweightedCombination.Rescale() }, "sums over the sample");
        Refused(new() { Gradients = [universal], Branches = [new WeakBranch(weak)] }, "another model's");
        Refused(new() { Gradients = [universal, universal] }, "One gradient goes through");
        Refused(new() { Gradients = [universal], Recurrences = [2] }, "builds on the steps before", SamplerKind.DpmSolver2M);
        Refused(new() { Recurrences = [] }, "at least once");
        Refused(new() { Recurrences = [1, 0] }, "[1, 0]");
        Assert.That(() => new UniversalGuider(objective, new UniversalSettings { ForwardWeight = 0 }), Throws.ArgumentException.With.Message.Contains("does nothing"));
        Assert.That(() => new UniversalGuider(objective, new UniversalSettings { ForwardWeight = double.NaN }), Throws.ArgumentException.With.Message.Contains("NaN"));
        Assert.That(() => new UniversalGuider(objective, new UniversalSettings { Backward = new(0) }), Throws.ArgumentException.With.Message.Contains("at least 1 step"));
        Assert.That(() => new UniversalGuider(objective, new UniversalSettings { Backward = new(1, 0) }), Throws.ArgumentException.With.Message.Contains("learning rate"));
        Assert.That(() => new UniversalGuider(objective, new UniversalSettings { Backward = new(1, 1, double.NaN) }), Throws.ArgumentException.With.Message.Contains("NaN"));
        using var weights = new Parameters(kernels);
        Assert.That(() => new UniversalGuider(new ClassifierObjective(new NoisyOne(weights))), Throws.ArgumentException.With.Message.Contains("noisy images"));
    }

    private static float[] Normal(int count, uint seed) => [.. Enumerable.Range(0, count).Select(i => (float)Philox.Normal(seed, 0, 0, RandomStream.Weights, (uint)i))];

    private static float[] Download(IKernels kernels, TensorView view)
    {
        float[] values = new float[view.Count];
        kernels.Download(view, values);
        return values;
    }

    private sealed class Immediate(Action<SamplingProgress> report) : IProgress<SamplingProgress>
    {
        public void Report(SamplingProgress value) => report(value);
    }

    /// <summary>The product of image and picture: an objective whose gradient does not depend on the image.</summary>
    private sealed class ProductObjective(float[] picture) : IGuidanceObjective
    {
        public int? Targets => null;

        public IReadOnlyList<Parameters> Weights => [];

        public void Require(string guider, DiffusionModel model) { }

        public GradientObjective Record(PlanBuilder b, GradientInputs inputs) => new(inputs.Image, b.Reshape(b.Constant("picture", picture[..(int)inputs.Image.Count]), inputs.Image.Shape));
    }

    private sealed class NoisyOne(Parameters weights) : IClassifierNetwork
    {
        public int Classes => 2;

        public int Channels => 1;

        public int? ImageSize => null;

        public bool TakesNoise => true;

        public Parameters Parameters => weights;

        public Tensor RecordLogits(PlanBuilder b, Tensor images, Tensor timesteps) => throw new NotSupportedException();
    }
}
