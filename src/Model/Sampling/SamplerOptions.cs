namespace NativeDiffusion.Model.Sampling;

/// <summary>The variance of an ancestral step.</summary>
public enum AncestralVariance
{
    /// <summary>That of the true posterior for a single clean sample (the lower bound).</summary>
    FixedSmall,

    /// <summary>beta, that of the forward step (the upper bound).</summary>
    FixedLarge,

    /// <summary>The network's extra channels are the log-variance itself.</summary>
    Learned,

    /// <summary>The network's extra channels interpolate between the two bounds in log space (Nichol and Dhariwal 2021).</summary>
    LearnedRange,
}

/// <summary>Noise added back before each step of the stochastic Heun sampler (Karras et al. 2022, algorithm 2).</summary>
/// <param name="Amount">S_churn, at least 0; the increase of a level is <c>min(S_churn / N, sqrt(2) - 1)</c>.</param>
/// <param name="SigmaMin">S_min: no churn below this EDM level.</param>
/// <param name="SigmaMax">S_max: no churn above this EDM level.</param>
/// <param name="NoiseScale">S_noise: standard deviation of the added noise relative to the exact one.</param>
public readonly record struct HeunChurn(double Amount, double SigmaMin = 0, double SigmaMax = double.PositiveInfinity, double NoiseScale = 1)
{
    /// <summary>No churn: the deterministic sampler.</summary>
    public static HeunChurn None => new(0);

    internal double RaisedLevel(double sigma, int steps) =>
        sigma >= SigmaMin && sigma <= SigmaMax ? sigma * (1 + Math.Min(Amount / steps, Math.Sqrt(2) - 1)) : sigma;
}
