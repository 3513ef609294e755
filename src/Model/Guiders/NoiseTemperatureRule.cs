using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// Sampling at a low temperature by less noise: the standard deviation of every step's noise times a factor. A baseline to compare guidance with; pictures become blurry
/// and poor (Dhariwal and Nichol 2021, appendix).
/// </summary>
public sealed class NoiseTemperatureRule : IRowRule
{
    private readonly double _temperature;

    /// <summary>A rule.</summary>
    /// <param name="temperature">The factor, above 0 and finite.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is not.</exception>
    public NoiseTemperatureRule(double temperature)
    {
        if (!(temperature > 0) || double.IsInfinity(temperature))
            throw new ArgumentOutOfRangeException(nameof(temperature), temperature, "A noise temperature is above 0 and finite.");
        _temperature = temperature;
    }

    /// <inheritdoc/>
    public string Name => "noise-temperature";

    /// <inheritdoc/>
    public SamplerRow Apply(SamplerRow row)
    {
        double shift = 2 * Math.Log(_temperature);
        return row with { C = row.C * _temperature, LogVarMin = row.LogVarMin + shift, LogVarMax = row.LogVarMax + shift };
    }
}
