using NativeDiffusion.Experiments.Plots;
using NativeDiffusion.Experiments.Running;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Experiments.Points;

/// <summary>Table 2 of Ho and Salimans: strengths at several numbers of steps.</summary>
internal sealed class StepsSweep : Experiment
{
    private static readonly int[] Steps = [4, 8, 16, 32];
    private static readonly double[] Strengths = [0, 0.3, 2];

    public override string Name => "steps-sweep";

    public override string Title => "Steps and strength";

    public override string Question =>
        "Ho and Salimans (2207.12598, table 2): more steps lower FID at every strength, from 128 to 256 much more than from 256 to 1024. Here with ancestral steps, and far fewer of them: digits are easy.";

    public override IReadOnlyList<ExperimentPoint> Points { get; } = [.. from w in Strengths from steps in Steps select new ExperimentPoint(
        FormattableString.Invariant($"w-{w}-{steps}"), FormattableString.Invariant($"w = {w}, {steps} steps"), new SamplerSettings { Kind = SamplerKind.Ancestral, Steps = steps })
    {
        Scale = 1 + w, Series = FormattableString.Invariant($"w = {w}"), X = steps, Guidance = _ => new Guidance(),
    }];

    public override IReadOnlyList<Chart> Charts(IReadOnlyList<PointResult> results) =>
        [.. new[] { "frechet", "accuracy", "recall" }.Select(metric => ByPlace(Title, "steps", metric, results))];
}
