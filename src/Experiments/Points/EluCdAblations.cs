using NativeDiffusion.Experiments.Plots;
using NativeDiffusion.Experiments.Running;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Experiments.Points;

/// <summary>Tables 1 and 3 to 6 of EluCD: recurrences, input, softplus, temperature and sine, one after the other.</summary>
internal sealed class EluCdAblations : Experiment
{
    private static readonly SamplerSettings Steps = new() { Kind = SamplerKind.Ancestral, Steps = 15 };

    // Activations of the ResNet that comes with the tool, which has no BatchNorm, are smaller than those of published ones: beta is larger for as much smoothness.
    private const double Beta = 20;

    private static readonly EluCdSettings Preset = EluCdSettings.Ddpm with { Scale = 6 };

    public override string Name => "elucd-ablations";

    public override string Title => "EluCD, one design after the other";

    public override string Question =>
        "Ma et al. (2312.12030, tables 1 and 3 to 6, ImageNet 128): FID 8.61 with the noisy sample as input and 7.17 with the clean prediction; 7.17 with ReLU and 6.61 with softplus of beta 3; 6.20 with tau2 = 1 and 5.27 "
        + "with 0.5; 5.57 without the sine and 5.24 with gamma = 0.3; repeating steps does not replace calibration. Each table here changes one setting of the full method.";

    public override bool NeedsGuides => true;

    public override IReadOnlyList<ExperimentPoint> Points { get; } = [.. Rows()];

    public override IReadOnlyList<Chart> Charts(IReadOnlyList<PointResult> results) => [.. results.GroupBy(r => r.Group).Where(g => g.Any(r => double.IsFinite(r.X))).SelectMany(group =>
        new[] { "frechet", "accuracy" }.Select(metric => ByPlace(group.Key, group.First().Series, metric, [.. group])))];

    private static IEnumerable<ExperimentPoint> Rows()
    {
        ExperimentPoint Point(string key, string label, string group, Func<Workbench, GradientGuider> guider, string series = "", double x = double.NaN, int recurrences = 1) => new(key, label, Steps)
        {
            Group = group, IsConditional = false, Series = series, X = x, Guidance = bench => Guidance.None with { Gradients = [guider(bench)], Recurrences = [recurrences] },
        };
        string N(double value) => double.IsPositiveInfinity(value) ? "none" : FormattableString.Invariant($"{value}");
        foreach (int recurrences in new[] { 1, 2, 3 })
            yield return Point($"recurrences-{recurrences}", $"{recurrences} times, ReLU, tau2 = 1, no sine", "Recurrences (table 1)",
                bench => new EluCdGuider(bench.Guide(double.PositiveInfinity), Preset with { MarginalTemperature = 1, Sine = 0 }), recurrences: recurrences);
        yield return Point("recurrences-calibrated", "once, all designs", "Recurrences (table 1)", bench => new EluCdGuider(bench.Guide(Beta), Preset));
        yield return Point("input-clean", "clean prediction", "Input (table 3)", bench => new EluCdGuider(bench.Guide(Beta), Preset));
        yield return Point("input-noisy", "noisy sample", "Input (table 3)", bench => new NoisyInputGuider(new EluCdGuider(bench.Guide(Beta), Preset)));
        foreach (double beta in new[] { double.PositiveInfinity, 80, 40, 20, 12, 8 })
            yield return Point($"beta-{N(beta)}", double.IsPositiveInfinity(beta) ? "ReLU" : $"beta = {N(beta)}", "Softplus (table 4)", bench => new EluCdGuider(bench.Guide(beta), Preset), "beta", beta);
        foreach (double tau in new[] { 1, 0.8, 0.5, 0.3, 0 })
            yield return Point($"tau-{N(tau)}", $"tau2 = {N(tau)}", "Marginal temperature (table 5)", bench => new EluCdGuider(bench.Guide(Beta), Preset with { MarginalTemperature = tau }), "tau2", tau);
        foreach (double gamma in new[] { 0, 0.1, 0.2, 0.3, 0.4 })
            yield return Point($"gamma-{N(gamma)}", $"gamma = {N(gamma)}", "Sine (table 6)", bench => new EluCdGuider(bench.Guide(Beta), Preset with { Sine = gamma }), "gamma", gamma);
    }
}
