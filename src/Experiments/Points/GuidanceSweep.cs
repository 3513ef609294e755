using NativeDiffusion.Experiments.Plots;
using NativeDiffusion.Experiments.Running;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Experiments.Points;

/// <summary>Tables 1 and 2 of Ho and Salimans: strengths of classifier-free guidance.</summary>
internal sealed class GuidanceSweep : Experiment
{
    private static readonly double[] Strengths = [0, 0.1, 0.3, 0.5, 1, 2, 4, 8];

    public override string Name => "guidance-sweep";

    public override string Title => "Strength of classifier-free guidance";

    public override string Question =>
        "Ho and Salimans (2207.12598, tables 1 and 2): with the strength w the Inception Score rises, and FID has a minimum at a small w, 0.1 at 64 pixels and 0.3 at 128. Of the probability of "
        + "the null class in training, 0.1 and 0.2 are alike to them and 0.5 is worse. Models of other probabilities are given by further --model; here, the judge's probabilities make the Inception Score.";

    public override bool ComparesModels => true;

    public override IReadOnlyList<ExperimentPoint> Points { get; } = [.. Strengths.Select(w => new ExperimentPoint(
        FormattableString.Invariant($"w-{w}"), FormattableString.Invariant($"w = {w}"), new SamplerSettings { Steps = 10 })
    {
        Scale = 1 + w, Series = "10 steps of dpm++2m", X = w, Guidance = _ => new Guidance(),
    })];

    public override IReadOnlyList<Chart> Charts(IReadOnlyList<PointResult> results) =>
        [.. new[] { "inception", "frechet", "recall" }.Select(metric => ByPlace(Title, "guidance strength w", metric, results))];
}
