using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Experiments.Running;

/// <summary>What drawing an image takes.</summary>
/// <param name="Evaluations">Passes of a denoiser, the model's or another's.</param>
/// <param name="Gradients">Passes of a classifier, forward and backward.</param>
internal readonly record struct PointCost(double Evaluations, double Gradients)
{
    /// <summary>Counts what the sampler evaluates: nothing whose weight is 0.</summary>
    public static PointCost Of(SamplerTable table, Guidance guidance, SampleRequest request)
    {
        double evaluations = 0, gradients = 0;
        var times = guidance.Recurrences;
        int step = -1;
        foreach (var row in table.Rows)
        {
            var moment = new GuidanceMoment(row.StepIndex, table.Steps, row.LogSnr);
            int taken = times[row.StepIndex * times.Count / table.Steps];
            bool isFirst = step != row.StepIndex;
            step = row.StepIndex;
            gradients += taken * guidance.Gradients.Count(g => g.When.At(moment) != 0 && g.Weight(request) != 0 && (g.Point == GradientPoint.StepStart ? isFirst : row.Evaluates));
            if (row.Evaluates) evaluations += taken * (1 + guidance.Branches.Count(b => IsNeeded(b, guidance, request, moment)));
        }
        return new PointCost(evaluations, gradients);
    }

    // CFG++ takes its noise from the null class whatever the scale.
    private static bool IsNeeded(Branch branch, Guidance guidance, SampleRequest request, GuidanceMoment moment) =>
        branch.When.At(moment) != 0 && (branch.Strength(request) != 0 || guidance.Rules.OfType<CfgPlusPlusRule>().Any()) && (guidance.Combination?.ConditionalWeight(moment) ?? 1) != 0;
}
