using NativeDiffusion.Model;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Guiders;

/// <summary>Every two guiders together: they draw pictures, or are refused by a reason that names both.</summary>
[TestFixture]
public sealed class GuiderPairTests
{
    private static readonly SamplerKind[] Kinds = [SamplerKind.Ancestral, SamplerKind.Ddim, SamplerKind.Euler, SamplerKind.Heun];

    private static readonly SampleRequest[] Requests = [new(1, new GuidanceScale(1.6), 3) { Target = 2 }, new(0, new GuidanceScale(0.7), 4), new(2, new GuidanceScale(1), 9)];

    /// <summary>What is added to a guidance for one guider.</summary>
    private static readonly (string Name, Func<World, Guidance, Guidance> Add)[] Guiders =
    [
        ("cfg", (_, g) => With(g, new NullBranch())), ("icg", (_, g) => With(g, new IndependentConditionBranch())), ("autoguidance", (w, g) => With(g, new WeakBranch(w.Weak))),
        ("pag", (_, g) => With(g, new PerturbedBranch(PerturbationKind.IdentityAttention, 1))), ("slg", (_, g) => With(g, new PerturbedBranch(PerturbationKind.SkippedBlock, 1))),
        ("seg", (_, g) => With(g, new PerturbedBranch(PerturbationKind.BlurredQueries, 1))),
        ("rescale", (_, g) => g with { Combination = ReweightedCombination.Rescale() }), ("zero*", (_, g) => g with { Combination = ReweightedCombination.ZeroStar() }),
        ("tcfg", (_, g) => g with { Combination = ReweightedCombination.Tangential() }), ("mambo-g", (_, g) => g with { Combination = ReweightedCombination.Magnitude() }),
        ("apg", (_, g) => g with { Combination = ReweightedCombination.Projected(2) }), ("apg-momentum", (_, g) => g with { Combination = new ProjectedCombination() }),
        ("apg-mix", (_, g) => g with { Combination = ProjectedCombination.Mixed(2, 1) }), ("fdg", (_, g) => g with { Combination = new FrequencyCombination([new(2), new(1.5)]) }),
        ("cfg++", (_, g) => g with { Rules = [.. g.Rules, new CfgPlusPlusRule()] }), ("noise-temperature", (_, g) => g with { Rules = [.. g.Rules, new NoiseTemperatureRule(0.9)] }),
        ("score-scale", (_, g) => g with { Rules = [.. g.Rules, new ScoreScaleRule(1.02)] }), ("dynamic-threshold", (_, g) => g with { Threshold = new DynamicThreshold(0.95) }),
        ("elucd", (w, g) => With(g, new EluCdGuider(w.Classifier))), ("elucd-edm", (w, g) => With(g, new EluCdEdmGuider(w.Classifier))),
        ("universal", (w, g) => With(g, new UniversalGuider(new ClassifierObjective(w.Classifier), new UniversalSettings { ForwardWeight = 0.3, Backward = new BackwardGuidance(1, 0.02) }))),
        ("state", (_, g) => With(g, new OwnGuider("state", GradientPoint.State))), ("denoised", (_, g) => With(g, new OwnGuider("denoised", GradientPoint.Denoised))),
        ("through", (_, g) => With(g, new OwnGuider("through", GradientPoint.ThroughDenoiser))), ("recurrence", (_, g) => g with { Recurrences = [2] }),
    ];

    private const int Branches = 6;

    private static readonly string[] Combinations = ["rescale", "zero*", "tcfg", "mambo-g", "apg", "apg-momentum", "apg-mix", "fdg"];

    // What papers and mechanism exclude; all others run.
    private static readonly (string, string)[] Excluded =
    [
        ("icg", "cfg++"), ("autoguidance", "cfg++"), ("pag", "cfg++"), ("slg", "cfg++"), ("seg", "cfg++"),
        ("pag", "slg"), ("pag", "seg"), ("slg", "seg"), ("autoguidance", "through"), .. Combinations.Select(c => (c, "through")),
        ("autoguidance", "universal"), .. Combinations.Select(c => (c, "universal")), ("elucd", "universal"), ("universal", "through"),
        ("elucd", "state"), ("elucd", "denoised"), ("elucd", "through"),
    ];

    private static IEnumerable<TestCaseData> Firsts => Guiders.Select((_, i) => new TestCaseData(i).SetArgDisplayNames(Guiders[i].Name));

    [TestCaseSource(nameof(Firsts))]
    public void Two_run_or_are_refused_by_a_reason_that_names_both(int first)
    {
        using World one = new(1), two = new(2);
        for (int second = 0; second < Guiders.Length; second++)
        {
            // Which comes first matters among branches alone.
            if (second == first || second < first && !(first < Branches && second < Branches)) continue;
            var (a, b) = (Guiders[first], Guiders[second]);
            // A guidance combines predictions in one way.
            if (Combinations.Contains(a.Name) && Combinations.Contains(b.Name)) continue;
            Guidance Both(World world)
            {
                var empty = Guidance.None;
                var guidance = b.Add(world, a.Add(world, empty));
                return guidance.Branches.Count == 0 && (guidance.Combination is not null || guidance.Rules.Any(r => r is CfgPlusPlusRule)) ? guidance with { Branches = [new NullBranch()] } : guidance;
            }
            string pair = $"{a.Name} + {b.Name}";
            bool runs = false;
            foreach (var kind in Kinds)
            {
                float[][] images;
                try
                {
                    images = Sample(one, kind, Both(one), batch: 3);
                }
                catch (ArgumentException e)
                {
                    Assert.That(e.Message, Does.Contain(a.Name).And.Contain(b.Name).Or.Contain(a.Name).And.Contain("use d").Or.Contain(b.Name).And.Contain("use d"), pair);
                    continue;
                }
                runs = true;
                Assert.That(images.SelectMany(i => i), Has.All.InRange(-1e3f, 1e3f), $"{pair}, {kind}");
                Assert.That(Sample(two, kind, Both(two), batch: 2), Is.EqualTo(images), $"{pair}, {kind}: two threads, another batch");
                break;
            }
            Assert.That(runs, Is.EqualTo(!Excluded.Contains((a.Name, b.Name)) && !Excluded.Contains((b.Name, a.Name))), pair);
        }
    }

    private static Guidance With(Guidance guidance, Branch branch) => guidance with { Branches = [.. guidance.Branches, branch] };

    private static Guidance With(Guidance guidance, GradientGuider guider) => guidance with { Gradients = [.. guidance.Gradients, guider] };

    private static float[][] Sample(World world, SamplerKind kind, Guidance guidance, int batch)
    {
        using var sampler = new GuidedSampler(world.Model, new SamplerSettings { Kind = kind, Steps = 3 }, new GuidedSamplerOptions { Guidance = guidance, Batch = batch, Seed = 3 }, world.Arena);
        float[][] images = new float[Requests.Length][];
        sampler.Sample(Requests, (i, pixels) => images[i] = pixels.ToArray());
        return images;
    }

    public sealed class World : IDisposable
    {
        private readonly GuidedLoopTests.World _world;

        public World(int threads)
        {
            _world = new GuidedLoopTests.World(threads);
            Arena = new Arena(_world.Kernels);
        }

        public Arena Arena { get; }

        public DiffusionModel Model => _world.Model;

        public DiffusionModel Weak => _world.Weak;

        public NativeDiffusion.Model.Classifiers.ImageClassifier Classifier => _world.Classifier;

        public void Dispose()
        {
            Arena.Dispose();
            _world.Dispose();
        }
    }

    private sealed class OwnGuider(string name, GradientPoint point) : GradientGuider
    {
        public override string Name => name;

        public override GradientPoint Point => point;

        public override GradientTarget Target => GradientTarget.Score;

        public override double Weight(SampleRequest request) => 0.05;

        public override GradientObjective Record(PlanBuilder b, GradientInputs inputs)
        {
            var mean = b.GlobalAveragePool(inputs.Image);
            return new(mean, b.Reshape(b.Constant("ones", [.. Enumerable.Repeat(1f, (int)mean.Count)]), mean.Shape));
        }
    }
}
