using NativeDiffusion.Experiments.Plots;
using NativeDiffusion.Experiments.Running;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Experiments.Points;

/// <summary>Table 4 of Dhariwal and Nichol: scales of a noisy classifier on a model with and without its class.</summary>
internal sealed class ClassifierGuidanceExperiment : Experiment
{
    private static readonly double[] Scales = [0, 1, 4, 10];

    public override string Name => "classifier-guidance";

    public override string Title => "Guidance by a noisy classifier";

    public override string Question =>
        "Dhariwal and Nichol (2105.05233, table 4): on an unconditional model a scale of 1 does little and 10 much, with less recall; a conditional model with guidance is better than an unconditional one with it.";

    public override bool NeedsGuides => true;

    public override IReadOnlyList<ExperimentPoint> Points { get; } = [.. from told in new[] { false, true } from scale in Scales select new ExperimentPoint(
        FormattableString.Invariant($"{(told ? "told" : "not-told")}-{scale}"), FormattableString.Invariant($"{(told ? "told" : "not told")} the class, scale {scale}"),
        new SamplerSettings { Kind = SamplerKind.Ancestral, Steps = 15 })
    {
        IsConditional = told, Series = told ? "told the class" : "not told the class", X = scale,
        Guidance = bench => Guidance.None with { Gradients = scale == 0 ? [] : [new ClassifierGuider(bench.Noisy, scale, GradientTarget.Mean)] },
    }];

    public override IReadOnlyList<Chart> Charts(IReadOnlyList<PointResult> results) =>
        [.. new[] { "frechet", "accuracy", "recall" }.Select(metric => ByPlace(Title, "classifier scale s", metric, results))];
}
