using NativeDiffusion.Experiments.Plots;
using NativeDiffusion.Experiments.Running;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Experiments.Points;

/// <summary>Guidance against low temperature, by less noise or a larger score.</summary>
internal sealed class TemperatureExperiment : Experiment
{
    private static readonly SamplerSettings Steps = new() { Kind = SamplerKind.Ancestral, Steps = 15 };

    public override string Name => "temperature";

    public override string Title => "Guidance against low temperature";

    public override string Question =>
        "Dhariwal and Nichol (2105.05233) and Ho and Salimans (2207.12598) say that scaling the score or the noise, the truncation that GANs know, gives blurred pictures of low quality, where guidance trades variety "
        + "for quality.";

    public override IReadOnlyList<ExperimentPoint> Points { get; } =
    [
        .. new[] { 0, 0.3, 1, 2 }.Select(w => new ExperimentPoint(FormattableString.Invariant($"w-{w}"), FormattableString.Invariant($"cfg, w = {w}"), Steps)
        {
            Scale = 1 + w, Series = "cfg", X = w, Guidance = _ => new Guidance(),
        }),
        .. new[] { 0.95, 0.9, 0.8, 0.6 }.Select(t => new ExperimentPoint(FormattableString.Invariant($"noise-{t}"), FormattableString.Invariant($"noise times {t}"), Steps)
        {
            Series = "noise temperature", X = t, Guidance = _ => Guidance.None with { Rules = [new NoiseTemperatureRule(t)] },
        }),
        .. new[] { 1.02, 1.05, 1.1 }.Select(s => new ExperimentPoint(FormattableString.Invariant($"score-{s}"), FormattableString.Invariant($"score times {s}"), Steps)
        {
            Series = "score scale", X = s, Guidance = _ => Guidance.None with { Rules = [new ScoreScaleRule(s)] },
        }),
    ];

    // What is bought at which loss of variety: a curve of each kind.
    public override IReadOnlyList<Chart> Charts(IReadOnlyList<PointResult> results) =>
        [.. new[] { "frechet", "accuracy" }.Select(metric => new Chart(Title, "recall", Judge.Metrics.First(m => m.Key == metric).Head, [.. results.Where(r => r.Series.Length > 0).GroupBy(r => r.Series).Select(line => new ChartSeries(
            line.Key, [.. line.OrderBy(r => r.X).Select(r => new ChartPoint(r.Metrics["recall"].Value, r.Metrics[metric].Value, r.Metrics[metric].StandardError, FormattableString.Invariant($"{r.X}")))]))]))];
}
