using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// Sampling at a low temperature by a larger score: the predicted noise times a factor. A baseline to compare guidance with.
/// </summary>
public sealed class ScoreScaleRule : IRowRule
{
    private readonly double _scale;

    /// <summary>A rule.</summary>
    /// <param name="scale">The factor, above 0 and finite.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is not.</exception>
    public ScoreScaleRule(double scale)
    {
        if (!(scale > 0) || double.IsInfinity(scale)) throw new ArgumentOutOfRangeException(nameof(scale), scale, "A score scale is above 0 and finite.");
        _scale = scale;
    }

    /// <inheritdoc/>
    public string Name => "score-scale";

    /// <inheritdoc/>
    public SamplerRow Apply(SamplerRow row)
    {
        if (row.E != 0 || row.Alpha == 0) throw new ArgumentException("A score scale changes the clean sample, from which the sampler must take its noise: use ddim with clipping, ddpm, euler, heun or dpm++2m, and a schedule without zero terminal SNR.");
        // x = (z - sigma eps) / alpha with k eps in place of eps.
        return row with { XFromZ = _scale * row.XFromZ + (1 - _scale) / row.Alpha, XFromG = _scale * row.XFromG };
    }
}
