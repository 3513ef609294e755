namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// Dynamic threshold (Saharia et al., arXiv 2205.11487): the clean sample is clamped to [-q, q] and divided by q, with q the quantile of its magnitudes, clamped to
/// [1, <paramref name="Most"/>]. It takes the place of clipping.
/// </summary>
/// <param name="Quantile">Share of the magnitudes below q, in (0, 1]; 0.995 as published.</param>
/// <param name="Most">Greatest q, at least 1.</param>
public sealed record DynamicThreshold(double Quantile = 0.995, double Most = double.PositiveInfinity)
{
    /// <exception cref="ArgumentException">A value is out of range.</exception>
    internal void Require()
    {
        if (!(Quantile > 0 && Quantile <= 1)) throw new ArgumentException($"The quantile of a dynamic threshold lies in (0, 1]; got {Quantile}.");
        if (!(Most >= 1)) throw new ArgumentException($"The greatest bound of a dynamic threshold is at least 1; got {Most}.");
    }
}
