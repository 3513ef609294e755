using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// Everything that steers a sampler: branches to move away from, gradients to follow, how predictions are combined, rules on the sampler's coefficients. The default
/// is classifier-free guidance with each request's own scale.
/// </summary>
public sealed record Guidance
{
    /// <summary>No guidance: each sample's own prediction.</summary>
    public static Guidance None { get; } = new() { Branches = [] };

    /// <summary>Second predictions, the first of which <see cref="Combination"/> works on. At most 4.</summary>
    public IReadOnlyList<Branch> Branches { get; init; } = [new NullBranch()];

    /// <summary>Gradients.</summary>
    public IReadOnlyList<GradientGuider> Gradients { get; init; } = [];

    /// <summary>How the predictions are combined; null for the weighted sum.</summary>
    public Combination? Combination { get; init; }

    /// <summary>Rules on the sampler's coefficients, applied in order.</summary>
    public IReadOnlyList<IRowRule> Rules { get; init; } = [];

    /// <summary>Dynamic threshold in place of clipping; null for none.</summary>
    public DynamicThreshold? Threshold { get; init; }

    /// <summary>
    /// How often each step is taken: after all but the last time, noise brings the state back to the step's level (Lugmayr et al. 2022; universal guidance's
    /// recurrence). One number for all steps, or one for each equal part of them, the noisiest first; each at least 1.
    /// </summary>
    public IReadOnlyList<int> Recurrences { get; init; } = [1];

    /// <summary>Classifier-free guidance.</summary>
    /// <param name="when">When it acts.</param>
    public static Guidance ClassifierFree(GuidanceSchedule? when = null) => new() { Branches = [new NullBranch { When = when ?? GuidanceSchedule.Always }] };

    /// <inheritdoc/>
    public override string ToString()
    {
        string[] names = [.. Branches.Select(b => b.Name), .. Gradients.Select(g => g.Name), .. Combination is null ? [] : new[] { Combination.Name }, .. Rules.Select(r => r.Name),
            .. Threshold is null ? [] : new[] { "dynamic-threshold" }];
        return names.Length == 0 ? "none" : string.Join(" + ", names);
    }

    /// <summary>How often a step is taken: parts are counted from the last step, as universal guidance's released code does.</summary>
    internal int RecurrencesAt(int step, int steps) => Recurrences[Recurrences.Count - 1 - (int)((long)Recurrences.Count * (steps - 1 - step) / steps)];

    /// <summary>Whether prediction and step can be one plan: branches of the model's own network, and nothing between their prediction and the step.</summary>
    internal bool IsOnePlan => Gradients.Count == 0 && Combination is null && Threshold is null && Branches.All(b => b.Model is null);

    /// <summary>Whether the clean sample changes after the prediction, so that a sampler's step must follow from it.</summary>
    internal bool MovesDenoised => Threshold is not null || Rules.OfType<CfgPlusPlusRule>().Any() || Rules.OfType<ScoreScaleRule>().Any()
        || Gradients.Any(g => g.Target is GradientTarget.Score or GradientTarget.Noise);

    /// <summary>The table with the rules applied.</summary>
    /// <exception cref="ArgumentException">What is asked cannot be had together; the message says why.</exception>
    internal SamplerTable Prepare(DiffusionModel model, SamplerTable table)
    {
        if (Branches.Count > GuidedStepTensors.MostBranches)
            throw new ArgumentException($"A guidance has at most {GuidedStepTensors.MostBranches} branches; got {Branches.Count}.");
        if (Recurrences.Count == 0 || Recurrences.Any(r => r < 1))
            throw new ArgumentException($"A step is taken at least once, and recurrences are one number or one for each part of the steps; got [{string.Join(", ", Recurrences)}].");
        foreach (var guider in Branches.Concat<Guider>(Gradients)) guider.Require(model);
        if (Branches.Select(b => b.Perturbation).OfType<Perturbation>().Distinct().Skip(1).Any())
            throw new ArgumentException($"Branches of one guidance disturb the network in one way ({this}); choose one of pag, slg and seg.");
        Combination?.Require(model);
        Threshold?.Require();
        if (Combination is not null && Branches.Count == 0)
            throw new ArgumentException($"'{Combination.Name}' combines predictions, and there is no second one; add cfg, icg, autoguidance or a perturbed branch.");
        if (Rules.OfType<CfgPlusPlusRule>().Any() && (Branches.Count == 0 || Branches[0] is not NullBranch))
            throw new ArgumentException($"CFG++ takes its noise from the null class, so the first guider must be cfg; got {this}.");
        RequireTargets(table);
        bool stepsTwice = table.Rows.Zip(table.Rows.Skip(1)).Any(r => r.First.StepIndex == r.Second.StepIndex);
        if (Recurrences.Any(r => r > 1) && stepsTwice)
            throw new ArgumentException($"Recurrence repeats steps of one evaluation, and {table.Name} has more; use ddpm, ddim, euler or euler-a.");
        if (Recurrences.Any(r => r > 1) && table.Rows.Any(r => r.StoreHistory))
            throw new ArgumentException($"Recurrence goes back, and {table.Name} builds on the steps before; use ddpm, ddim, euler or euler-a.");
        return Rules.Count == 0 ? table : table.With(row => row.Evaluates ? Rules.Aggregate(row, (r, rule) => rule.Apply(r)) : row);
    }

    private void RequireTargets(SamplerTable table)
    {
        if (MovesDenoised && table.Rows.Any(r => r.E != 0))
            throw new ArgumentException($"{table.Name} takes its noise from the raw prediction, which this guidance ({this}) does not move; build the sampler with rederived noise.");
        foreach (var guider in Gradients)
        {
            bool starts = guider.Point == GradientPoint.StepStart;
            if (starts != (guider.Target == GradientTarget.State))
                throw new ArgumentException($"Guider '{guider.Name}': a gradient at the start of a step moves the state, and no other does.");
            if (guider.Norm == GradientNorm.State && !starts || guider.Norm == GradientNorm.BranchDifference && guider.Target != GradientTarget.Noise)
                throw new ArgumentException($"Guider '{guider.Name}': the norm of the state belongs to gradients at the start of a step, that of the difference to those that move the noise.");
            if (guider.Norm == GradientNorm.BranchDifference && Branches.Count == 0)
                throw new ArgumentException($"Guider '{guider.Name}' is as large as what guidance changes; add cfg or another branch.");
            if (guider.Target == GradientTarget.Mean && !table.IsAncestral)
                throw new ArgumentException($"Guider '{guider.Name}' moves the mean of ancestral steps, and {table.Name} has none; use ddpm, or the form that moves the score.");
        }
        if (Gradients.Where(g => g.Target != GradientTarget.State).Select(g => g.Target).Distinct().Count() > 1)
            throw new ArgumentException($"Gradients that move the mean, the score and the predicted noise cannot be added ({this}); choose one form.");
        foreach (var guider in Gradients)
        {
            bool movesDenoised = guider.Target is GradientTarget.Score or GradientTarget.Noise;
            if ((guider.Backward is not null || guider.ClipsAfterShift) && !movesDenoised)
                throw new ArgumentException($"Guider '{guider.Name}' moves the {guider.Target} and the clean sample too (clipping after the shift, backward steps); let it move the score.");
            guider.Backward?.Require(guider.Name);
        }
        RequireOneVariance(table);
        RequireThroughDenoiser();
    }

    // The sum of all gradients is multiplied by one variance.
    private void RequireOneVariance(SamplerTable table)
    {
        var movers = Gradients.Where(g => g.Target == GradientTarget.Mean).ToList();
        if (movers.Count < 2) return;
        foreach (var row in table.Rows)
        {
            var acting = movers.Where(g => g.When.At(new GuidanceMoment(row.StepIndex, table.Steps, row.LogSnr)) != 0).ToList();
            if (acting.Select(g => g.VarianceAddend(row, table, 1)).Distinct().Skip(1).Any())
                throw new ArgumentException(
                    $"Guiders {string.Join(" and ", acting.Select(g => $"'{g.Name}'"))} move the mean by different variances (a sine), both at step {row.StepIndex}; give them intervals that do not meet (When).");
        }
    }

    // Published code differentiates the guided prediction itself, so all of it must lie in one plan and be a sum that is known before.
    private void RequireThroughDenoiser()
    {
        var through = Gradients.Where(g => g.Point == GradientPoint.ThroughDenoiser).ToList();
        if (through.Count > 1) throw new ArgumentException($"One gradient goes through the denoiser, and here are more ({this}); add the objectives in one guider.");
        if (through.Count == 0) return;
        if (Combination is not null)
            throw new ArgumentException($"Guider '{through[0].Name}' differentiates the guided prediction, whose weights '{Combination.Name}' takes from sums over the sample, which have no gradient; leave one of them out.");
        if (Branches.FirstOrDefault(b => b.Model is not null) is { } weak)
            throw new ArgumentException($"Guider '{through[0].Name}' differentiates the guided prediction, and that of '{weak.Name}' is another model's; leave one of them out.");
    }
}
