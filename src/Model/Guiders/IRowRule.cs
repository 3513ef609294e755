using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Model.Guiders;

/// <summary>Guidance that is a change of the sampler's coefficients.</summary>
public interface IRowRule
{
    /// <summary>Short name for reports and errors.</summary>
    string Name { get; }

    /// <summary>The changed row.</summary>
    /// <param name="row">A row that evaluates the network.</param>
    /// <exception cref="ArgumentException">The rule does not fit the row; the message says why.</exception>
    SamplerRow Apply(SamplerRow row);
}
