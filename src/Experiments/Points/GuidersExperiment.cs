using NativeDiffusion.Experiments.Plots;
using NativeDiffusion.Experiments.Running;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Experiments.Points;

/// <summary>Every guider on the same digits: gradients on a model that is not told the class, and combinations of branches on one that is.</summary>
internal sealed class GuidersExperiment : Experiment
{
    private const string Unconditional = "Not told the class: gradients alone", Conditional = "Told the class: gradients and branches", Combinations = "Told the class: branches and combinations at w = 4";

    private const int AncestralSteps = 15, SolverSteps = 6;
    private const double Strong = 5, NoisyScale = 4, EluCdScale = 6, UniversalWeight = 3, Beta = 20;

    private static readonly SamplerSettings Ancestral = new() { Kind = SamplerKind.Ancestral, Steps = AncestralSteps }, Solver = new() { Steps = SolverSteps };

    public override string Name => "guiders";

    public override string Title => "Guiders against each other";

    public override string Question =>
        "What does each guider buy, and what does it cost? The denoiser leaves room to improve: it is used without its class where only gradients guide it, and in few steps. A classifier that guided none "
        + "of the images judges them. Published for ImageNet: EluCD (2312.12030) improves on unguided and classifier-guided sampling, each of its four designs contributing; the combinations mend what strong "
        + "classifier-free guidance does to contrast and variety.";

    public override bool NeedsGuides => true;

    public override IReadOnlyList<ExperimentPoint> Points { get; } = [.. Gradients(), .. Told(), .. Combined()];

    public override IReadOnlyList<Chart> Charts(IReadOnlyList<PointResult> results) =>
    [
        .. from told in results.Where(r => r.Key != ExperimentPoint.Real.Key).GroupBy(r => r.Group) from metric in told.Key == Unconditional ? new[] { "accuracy", "recall" } : ["recall", "precision"]
        select Against(told.Key, "frechet", metric, told),
    ];

    private static IEnumerable<ExperimentPoint> Gradients()
    {
        ExperimentPoint Point(string key, string label, Func<Workbench, GradientGuider[]> gradients, string note = "") => new(key, label, Ancestral)
        {
            Group = Unconditional, IsConditional = false, Note = note, Guidance = bench => Guidance.None with { Gradients = gradients(bench) },
        };
        var all = EluCdSettings.Ddpm with { Scale = EluCdScale };
        yield return Point("u-none", "unguided", _ => []);
        yield return Point("u-classifier", "noisy classifier", bench => [new ClassifierGuider(bench.Noisy, NoisyScale, GradientTarget.Mean)], FormattableString.Invariant($"scale {NoisyScale}"));
        yield return Point("u-elucd", "EluCD", bench => [new EluCdGuider(bench.Guide(Beta), all)], FormattableString.Invariant($"scale {EluCdScale}, all four designs"));
        yield return Point("u-elucd-noisy-input", "EluCD at the noisy sample", bench => [new NoisyInputGuider(new EluCdGuider(bench.Guide(Beta), all))], "without the clean prediction as input");
        yield return Point("u-elucd-relu", "EluCD with ReLU", bench => [new EluCdGuider(bench.Guide(double.PositiveInfinity), all)], "without softplus");
        yield return Point("u-elucd-tau", "EluCD with tau2 = 1", bench => [new EluCdGuider(bench.Guide(Beta), all with { MarginalTemperature = 1 })], "without the joint temperature");
        yield return Point("u-elucd-sine", "EluCD without sine", bench => [new EluCdGuider(bench.Guide(Beta), all with { Sine = 0 })], "without the sine");
        yield return Point("u-plain", "off-the-shelf classifier, none of the designs",
            bench => [new NoisyInputGuider(new EluCdGuider(bench.Guide(double.PositiveInfinity), all with { MarginalTemperature = 1, Sine = 0 }))]);
        yield return Point("u-universal", "universal guidance", bench => [new UniversalGuider(new ClassifierObjective(bench.Guide(Beta)), new UniversalSettings { ForwardWeight = UniversalWeight })],
            FormattableString.Invariant($"forward weight {UniversalWeight}; its gradient goes through the denoiser"));
        yield return Point("u-combined", "EluCD, then noisy classifier", bench => Combined(bench, all), "the last fifth of the steps by the noisy one");
    }

    private static GradientGuider[] Combined(Workbench bench, EluCdSettings settings)
    {
        int change = AncestralSteps * 4 / 5;
        return
        [
            new EluCdGuider(bench.Guide(Beta), settings) { When = GuidanceInterval.Steps(0, change - 1) },
            new ClassifierGuider(bench.Noisy, NoisyScale, GradientTarget.Mean) { When = GuidanceInterval.Steps(change, AncestralSteps) },
        ];
    }

    private static IEnumerable<ExperimentPoint> Told()
    {
        var settings = EluCdSettings.Ddpm with { Scale = 2 };
        ExperimentPoint Point(string key, string label, double scale, Func<Workbench, Guidance> guidance) => new(key, label, Ancestral) { Group = Conditional, Scale = scale, Guidance = guidance };
        yield return Point("c-none", "unguided", 1, _ => Guidance.None);
        yield return Point("c-classifier", "noisy classifier, scale 1", 1, bench => Guidance.None with { Gradients = [new ClassifierGuider(bench.Noisy, 1, GradientTarget.Mean)] });
        yield return Point("c-elucd", "EluCD, scale 2", 1, bench => Guidance.None with { Gradients = [new EluCdGuider(bench.Guide(Beta), settings)] });
        yield return Point("c-cfg", "cfg, w = 0.5", 1.5, _ => new Guidance());
        yield return Point("c-cfg-elucd", "cfg, w = 0.5, and EluCD", 1.5, bench => new Guidance { Gradients = [new EluCdGuider(bench.Guide(Beta), settings)] });
        yield return Point("c-temperature", "low temperature, noise times 0.9", 1, _ => Guidance.None with { Rules = [new NoiseTemperatureRule(0.9)] });
    }

    private static IEnumerable<ExperimentPoint> Combined()
    {
        ExperimentPoint Point(string key, string label, Guidance guidance, double scale = Strong, int steps = SolverSteps) =>
            new(key, label, Solver with { Steps = steps }) { Group = Combinations, Scale = scale, Guidance = _ => guidance };
        Guidance With(Combination combination) => new() { Combination = combination };
        yield return Point("s-cfg", "cfg", new Guidance());
        yield return Point("s-none", "unguided", Guidance.None, 1);
        yield return Point("s-none-double", "unguided, twice the steps", Guidance.None, 1, 2 * SolverSteps);
        yield return Point("s-cfg-weak", "cfg, w = 0.5", new Guidance(), 1.5);
        yield return Point("s-rescale", "rescale 0.7", With(ReweightedCombination.Rescale()));
        yield return Point("s-zero", "cfg-zero", With(ReweightedCombination.ZeroStar(zeroSteps: 0)));
        yield return Point("s-tcfg", "tcfg", With(ReweightedCombination.Tangential()));
        yield return Point("s-mambo", "mambo-g", With(ReweightedCombination.Magnitude()));
        yield return Point("s-apg", "apg", With(ReweightedCombination.Projected()));
        yield return Point("s-apg-momentum", "apg, momentum -0.5", With(new ProjectedCombination()));
        yield return Point("s-fdg", "fdg, scales 5 and 2.5", With(new FrequencyCombination([new(5), new(2.5)])));
        yield return Point("s-cfgpp", "cfg++, lambda 0.8", new Guidance { Rules = [new CfgPlusPlusRule()] }, 0.8);
        yield return Point("s-interval", "cfg in the middle steps", Guidance.ClassifierFree(GuidanceInterval.Steps(1, SolverSteps - 2)));
        yield return Point("s-linear", "cfg, falling to 0", Guidance.ClassifierFree(GuidanceSchedule.Linear(1, 0)));
        yield return Point("s-pag", "pag, w = 3, without cfg", new Guidance { Branches = [new PerturbedBranch(PerturbationKind.IdentityAttention, 3)] }, 1);
        yield return Point("s-seg", "seg, w = 3, without cfg", new Guidance { Branches = [new PerturbedBranch(PerturbationKind.BlurredQueries, 3)] }, 1);
        yield return Point("s-slg", "slg, w = 3, without cfg", new Guidance { Branches = [new PerturbedBranch(PerturbationKind.SkippedBlock, 3)] }, 1);
        yield return Point("s-auto", "autoguidance, w = 1", new Guidance(), 2) with { IsPossible = bench => bench.Weak is not null, Guidance = bench => new Guidance { Branches = [new WeakBranch(bench.Weak!)] } };
        yield return Point("s-icg", "icg", new Guidance { Branches = [new IndependentConditionBranch()] });
        yield return Point("s-threshold", "dynamic threshold 0.995", new Guidance { Threshold = new DynamicThreshold() });
        yield return Point("s-score", "score times 1.05, without cfg", Guidance.None with { Rules = [new ScoreScaleRule(1.05)] }, 1);
    }
}
