using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Clip;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;
using NativeDiffusion.Tests.Model.Clip;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Guiders;

/// <summary>What holds for the sampler's loop with every kind of guidance.</summary>
[TestFixture]
public sealed class GuidedLoopTests
{
    private static readonly SampleRequest[] Requests =
    [
        new(0, new GuidanceScale(1), 0), new(1, new GuidanceScale(3), 1), new(2, new GuidanceScale(0.6), 2), new(2, new GuidanceScale(1.5), 4) { Target = 0 }, new(1, new GuidanceScale(2), 6),
    ];

    /// <summary>A guidance of each kind, and the sampler that it needs.</summary>
    private static IEnumerable<TestCaseData> Kinds()
    {
        TestCaseData Case(string name, Func<World, Guidance> guidance, SamplerKind kind = SamplerKind.Ddim) => new TestCaseData(guidance, kind).SetArgDisplayNames(name);
        Guidance With(Combination combination) => new() { Combination = combination };
        yield return Case("cfg", _ => Guidance.ClassifierFree(GuidanceSchedule.Linear(1, 0)));
        yield return Case("icg", _ => new Guidance { Branches = [new IndependentConditionBranch()] });
        yield return Case("autoguidance", w => new Guidance { Branches = [new WeakBranch(w.Weak)] });
        yield return Case("pag", _ => new Guidance { Branches = [new PerturbedBranch(PerturbationKind.IdentityAttention, 2) { When = GuidanceInterval.Steps(1, 2) }] });
        yield return Case("cfg + slg + autoguidance", w => new Guidance { Branches = [new NullBranch(), new PerturbedBranch(PerturbationKind.SkippedBlock, 1), new WeakBranch(w.Weak, new GuidanceScale(1.5))] });
        yield return Case("rescale", _ => With(ReweightedCombination.Rescale()));
        yield return Case("zero*", _ => With(ReweightedCombination.ZeroStar(1, 0.5)));
        yield return Case("tcfg", _ => With(ReweightedCombination.Tangential()));
        yield return Case("mambo-g", _ => With(ReweightedCombination.Magnitude()));
        yield return Case("apg", _ => With(ReweightedCombination.Projected(2)));
        yield return Case("apg with momentum", _ => With(new ProjectedCombination(threshold: 2)));
        yield return Case("apg after plain guidance", _ => With(ProjectedCombination.Mixed(3, 1, threshold: 2)));
        yield return Case("fdg at times", _ => With(new FrequencyCombination([new FrequencyBand(3), new FrequencyBand(1.5, 0.5)], when: [GuidanceInterval.Steps(1, 2), GuidanceInterval.Steps(2, 4)])));
        yield return Case("fdg", _ => With(new FrequencyCombination([new FrequencyBand(3), new FrequencyBand(1.5)])));
        yield return Case("cfg++", _ => new Guidance { Rules = [new CfgPlusPlusRule()] });
        yield return Case("cfg++ by 2m", _ => new Guidance { Rules = [new CfgPlusPlusRule()] }, SamplerKind.DpmSolver2M);
        yield return Case("low temperature", _ => new Guidance { Rules = [new ScoreScaleRule(1.1), new NoiseTemperatureRule(0.8)] }, SamplerKind.EulerAncestral);
        yield return Case("dynamic threshold", _ => new Guidance { Threshold = new DynamicThreshold(0.9) });
        yield return Case("elucd", w => new Guidance { Gradients = [new EluCdGuider(w.Classifier)] }, SamplerKind.Ancestral);
        yield return Case("elucd at the start of steps", w => new Guidance { Gradients = [new EluCdEdmGuider(w.Classifier)] }, SamplerKind.Heun);
        yield return Case("own objective at the state", _ => new Guidance { Gradients = [new BrightnessGuider(GradientPoint.State)] }, SamplerKind.DpmSolver2M);
        yield return Case("own objective, twice, with cfg", _ => new Guidance { Gradients = [new BrightnessGuider(GradientPoint.Denoised), new BrightnessGuider(GradientPoint.State)] });
        yield return Case("own objective through the denoiser", _ => new Guidance { Gradients = [new BrightnessGuider(GradientPoint.ThroughDenoiser)] });
        yield return Case("universal with cfg", w => new Guidance
        {
            Gradients = [new UniversalGuider(new ClassifierObjective(w.Classifier), new UniversalSettings { ForwardWeight = 0.5, Backward = new BackwardGuidance(2, 0.02, 1.1) })], Recurrences = [2, 1],
        });
        yield return Case("universal backward, and pag", w => new Guidance
        {
            Branches = [new PerturbedBranch(PerturbationKind.IdentityAttention, 2)], Threshold = new DynamicThreshold(0.9),
            Gradients = [new UniversalGuider(new ClassifierObjective(w.Classifier), new UniversalSettings { ForwardWeight = 0, Backward = new BackwardGuidance(3) }) { When = GuidanceInterval.Steps(1, 3) }],
        }, SamplerKind.DpmSolver2M);
        yield return Case("clip", w => new Guidance { Gradients = [new EluCdGuider(w.Clip, EluCdSettings.Clip)] }, SamplerKind.Ancestral);
        yield return Case("universal by clip", w => new Guidance { Gradients = [new UniversalGuider(new ClassifierObjective(w.Clip, 1, 0.5))] }, SamplerKind.Heun);
        yield return Case("recurrence", _ => new Guidance { Recurrences = [3], Gradients = [new BrightnessGuider(GradientPoint.Denoised)] });
    }

    [TestCaseSource(nameof(Kinds))]
    public void Pixels_do_not_depend_on_batch_company_or_threads(Func<World, Guidance> guidance, SamplerKind kind)
    {
        float[][] expected = Sample(guidance, kind, Requests, threads: 1, batch: 8);
        Assert.That(expected.SelectMany(i => i), Has.All.InRange(-1e3f, 1e3f));
        Assert.That(Sample(guidance, kind, Requests, threads: 3, batch: 2), Is.EqualTo(expected), "3 threads, batch 2");
        Assert.That(Sample(guidance, kind, [.. Requests.Reverse()], threads: 2, batch: 3).Reverse(), Is.EqualTo(expected), "reversed order");
    }

    [TestCaseSource(nameof(Kinds))]
    public void The_loop_allocates_nothing(Func<World, Guidance> guidance, SamplerKind kind)
    {
        using var world = new World(1);
        using var sampler = new GuidedSampler(world.Model, Settings(kind), new GuidedSamplerOptions { Guidance = guidance(world), Batch = 8 });
        sampler.Sample(Requests, (_, _) => { });
        sampler.Sample(Requests, (_, _) => { });
        using var turn = world.Kernels.Queue.Enter();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int row = 0; row < sampler.Table.Rows.Count; row++) sampler.Advance(Requests, row);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }

    /// <summary>Each gradient raises what it follows: more of it, more of that.</summary>
    [Test]
    public void A_gradient_raises_its_objective([Values] GradientPoint point)
    {
        if (point == GradientPoint.StepStart) Assert.Ignore("Moves states by EluCD's EDM form only.");
        double Mean(double weight) => Sample(_ => new Guidance { Branches = [], Gradients = [new BrightnessGuider(point) { Strength = weight }] }, SamplerKind.Ddim, Requests, 1, 8).SelectMany(i => i).Average();
        double dark = Mean(-0.05), plain = Mean(0), bright = Mean(0.05);
        Assert.That(dark, Is.LessThan(plain));
        Assert.That(bright, Is.GreaterThan(plain));
    }

    [Test]
    public void Nothing_is_evaluated_for_a_guider_whose_factor_is_zero()
    {
        Guidance never = new()
        {
            Branches = [new NullBranch { When = GuidanceInterval.Steps(2, 1) }], Gradients = [new BrightnessGuider(GradientPoint.Denoised) { When = GuidanceSchedule.Of(_ => 0) }],
        };
        Assert.That(Sample(_ => never, SamplerKind.Ddim, Requests, 1, 8), Is.EqualTo(Sample(_ => Guidance.None, SamplerKind.Ddim, Requests, 1, 8)));
    }

    private static SamplerSettings Settings(SamplerKind kind) => new() { Kind = kind, Steps = 5, Eta = kind == SamplerKind.Ddim ? 0.5 : null };

    private static float[][] Sample(Func<World, Guidance> guidance, SamplerKind kind, SampleRequest[] requests, int threads, int batch)
    {
        using var world = new World(threads);
        using var sampler = new GuidedSampler(world.Model, Settings(kind), new GuidedSamplerOptions { Guidance = guidance(world), Batch = batch, Seed = 3 });
        float[][] images = new float[requests.Length][];
        sampler.Sample(requests, (i, pixels) => images[i] = pixels.ToArray());
        return images;
    }

    /// <summary>Models for guidance to choose from.</summary>
    public sealed class World : IDisposable
    {
        private readonly Parameters _clipWeights;

        public World(int threads)
        {
            CpuKernels kernels = new(threads);
            Kernels = kernels;
            (Model, Weak) = (TinyModel.CreateRandom(Kernels), TinyModel.Create(Kernels));
            Classifier = new ImageClassifier(new ClassifierConfig { ImageSize = TinyModel.Size, InChannels = 1, ClassNames = ["top", "left", "full"], Width = 8, Levels = 2, NormGroups = 4 }, Kernels, 3);
            _clipWeights = TinyClip.Weights(Kernels);
            Clip = new ClipClassifier(new ClipNetwork(TinyClip.Config), _clipWeights, TinyClip.Tokenizer(), ["top", "left", "full"], channels: 1);
        }

        public IKernels Kernels { get; }

        public DiffusionModel Model { get; }

        public DiffusionModel Weak { get; }

        public ImageClassifier Classifier { get; }

        public ClipClassifier Clip { get; }

        public void Dispose()
        {
            Classifier.Dispose();
            Clip.Dispose();
            _clipWeights.Dispose();
            Model.Dispose();
            Weak.Dispose();
            Kernels.Dispose();
        }
    }

    /// <summary>A guider of one's own: towards bright pictures.</summary>
    private sealed class BrightnessGuider(GradientPoint point) : GradientGuider
    {
        public double Strength { get; init; } = 0.02;

        public override string Name => "brightness";

        public override GradientPoint Point => point;

        public override GradientTarget Target => GradientTarget.Score;

        public override double Weight(SampleRequest request) => Strength;

        public override GradientObjective Record(PlanBuilder b, GradientInputs inputs)
        {
            var mean = b.GlobalAveragePool(inputs.Image);
            return new(mean, b.Reshape(b.Constant("ones", [.. Enumerable.Repeat(1f, (int)mean.Count)]), mean.Shape));
        }
    }
}
