namespace NativeDiffusion.Kernels;

/// <summary>The numbers of <see cref="IKernels.ProjectedGuidance"/> that follow from sums.</summary>
internal struct ProjectedGuidanceFormula
{
    public int Original, Plain, HasScale;
    public float Momentum, Threshold, Eta, Rescale, Scale;

    public ProjectedGuidanceFormula(in ProjectedGuidanceOptions options)
    {
        (Original, Plain, Momentum) = (options.Original ? 1 : 0, options.Plain ? 1 : 0, options.Momentum);
        (Threshold, Eta, Rescale) = (options.Threshold, options.Eta, options.Rescale);
        (HasScale, Scale) = (options.Scale is null ? 0 : 1, options.Scale ?? 0);
    }

    /// <summary>Factors of what is added to m p0.</summary>
    /// <param name="difference">|D|^2.</param>
    /// <param name="product">D.p0.</param>
    /// <param name="conditional">|p0|^2.</param>
    /// <param name="w">Weight of the branch.</param>
    public readonly ProjectedFactors Factors(double difference, double product, double conditional, double w)
    {
        if (Plain != 0) return new ProjectedFactors { Plain = w };
        double length = Math.Sqrt(difference), cut = length > Threshold ? Threshold / length : 1.0;
        double scale = (HasScale != 0 ? Scale : Original != 0 ? w : w + 1) * (Threshold > 0f ? cut : 1.0), square = conditional < 1e-24 ? 1e-24 : conditional;
        return new ProjectedFactors
        {
            Difference = scale, Conditional = scale * (Eta - 1.0) * (product / square), Plain = Original != 0 ? 0 : -1,
        };
    }

    /// <summary>The factor of the whole; the spreads are sums of squared deviations from the mean, of p0 and of p.</summary>
    public readonly double RescaleFactor(double conditional, double combined)
    {
        double factor = Rescale * Math.Sqrt(conditional / combined) + (1.0 - Rescale);
        return combined <= 0 ? 1.0 : factor;
    }
}

/// <summary>Factors of D, of p0 and of p0 - p1.</summary>
internal struct ProjectedFactors
{
    public double Difference, Conditional, Plain;
}
