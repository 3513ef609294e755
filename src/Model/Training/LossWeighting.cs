using NativeDiffusion.Model.Schedules;

namespace NativeDiffusion.Model.Training;

/// <summary>Weighting of the squared error by noise level; <see cref="LossWeight"/> has the formulas.</summary>
public enum LossWeighting
{
    /// <summary>Every level counts the same in the error of eps (Ho et al. 2020).</summary>
    Simple,

    /// <summary>Every level counts the same in the error of v (Salimans and Ho 2022).</summary>
    UniformV,

    /// <summary>Every level counts the same in the error of x0.</summary>
    UniformX0,

    /// <summary>min(SNR, 5) on the error of x0 (Hang et al. 2023).</summary>
    MinSnr,

    /// <summary>max(SNR, 1) on the error of x0 (Salimans and Ho 2022).</summary>
    TruncatedSnr,

    /// <summary>1 / (1 + SNR) on the error of eps (Choi et al. 2022, their P2 with k = gamma = 1).</summary>
    P2,

    /// <summary>1 + t on the error of eps, t from 0 (clean) to 1 (noise): the noisier half counts more. For discrete timesteps.</summary>
    LaterSteps,
}

/// <summary>Which weightings suit a prediction and a schedule.</summary>
internal static class LossWeightingRules
{
    // Of the weightings that stay bounded for a prediction none exceeds 5; of the others, the least is 10,000 on the schedules as they are published.
    private const double GreatestWeight = 1000;
    private const int ContinuousLevels = 1000;

    /// <summary>The weighting that is 1 at every level on the error of a prediction.</summary>
    public static LossWeighting Default(PredictionType prediction) => prediction switch
    {
        PredictionType.Eps => LossWeighting.Simple,
        PredictionType.X0 => LossWeighting.UniformX0,
        PredictionType.V => LossWeighting.UniformV,
        _ => throw Conversions.Unknown(prediction),
    };

    /// <summary>The formulas.</summary>
    public static LossWeight Weight(this LossWeighting weighting) => weighting switch
    {
        LossWeighting.Simple => LossWeight.Simple,
        LossWeighting.UniformV => LossWeight.UniformV,
        LossWeighting.UniformX0 => LossWeight.UniformX0,
        LossWeighting.MinSnr => LossWeight.MinSnr(),
        LossWeighting.TruncatedSnr => LossWeight.TruncatedSnr,
        LossWeighting.P2 => LossWeight.P2(),
        // Times 1 + t, which is not a function of the signal-to-noise ratio.
        LossWeighting.LaterSteps => LossWeight.Simple,
        _ => throw new ArgumentOutOfRangeException(nameof(weighting), weighting, "No such weighting."),
    };

    /// <summary>The numbers of a weighting that grows without bound towards an end of a model's schedule; null where it does not.</summary>
    /// <param name="settings">A model in VP levels.</param>
    /// <param name="weighting">The weighting.</param>
    public static string? Unbounded(DiffusionSettings settings, LossWeighting weighting)
    {
        double[] snrs = settings.NoiseSchedule() is ContinuousSchedule continuous
            ? [.. Enumerable.Range(0, ContinuousLevels).Select(i => Math.Exp(continuous.LogSnr(i / (ContinuousLevels - 1.0))))]
            : [.. settings.Discrete().AlphaBar.Select(a => a / (1 - a))];
        var levels = snrs.Select(snr => (Snr: snr, Weight: weighting.Weight().At(snr, settings.Prediction))).OrderByDescending(level => level.Weight).ToArray();
        var (snr, greatest) = levels[0];
        if (greatest <= GreatestWeight) return null;
        double all = levels.Sum(level => level.Weight), tenth = levels.Take(levels.Length / 10).Sum(level => level.Weight);
        return FormattableString.Invariant(
            $"the weight is {greatest:0.#e+0} at the {(snr < 1 ? "noisiest" : "least noisy")} level (log-SNR {Math.Log(snr):0.0}), which alone has {100 * greatest / all:0.0}% of the weight of {levels.Length} levels, the heaviest tenth of them {100 * tenth / all:0.0}%.");
    }
}
