using System.Globalization;

namespace NativeDiffusion.Model.Metrics;

/// <summary>A measured number with its standard error.</summary>
/// <param name="Value">The number, from all samples.</param>
/// <param name="StandardError">How much it would vary from one draw of the samples to another; NaN where there are too few to tell.</param>
public readonly record struct Estimate(double Value, double StandardError)
{
    /// <summary>
    /// The delete-a-group jackknife (Tukey 1958; Shao and Tu 1995, "The jackknife and bootstrap", section 2.3): sqrt((G - 1) / G times the
    /// sum of squared deviations) of what the number becomes without one group. Unlike the bootstrap it draws no sample twice, which
    /// distances to nearest neighbours and covariances of few samples would take for a property of the samples.
    /// </summary>
    internal static Estimate Jackknife(double value, IReadOnlyCollection<double> withoutGroup)
    {
        int groups = withoutGroup.Count;
        if (groups < 2) return new Estimate(value, double.NaN);
        double mean = withoutGroup.Average();
        return new Estimate(value, Math.Sqrt((groups - 1.0) / groups * withoutGroup.Sum(v => (v - mean) * (v - mean))));
    }

    /// <summary>The mean of independent values.</summary>
    internal static Estimate OfMean(IReadOnlyCollection<double> values)
    {
        double mean = values.Average();
        return new Estimate(mean, values.Count < 2 ? double.NaN : Math.Sqrt(values.Sum(v => (v - mean) * (v - mean)) / (values.Count - 1) / values.Count));
    }

    /// <summary>A share of independent samples.</summary>
    internal static Estimate OfShare(long counted, long all)
    {
        double share = (double)counted / all;
        return new Estimate(share, Math.Sqrt(share * (1 - share) / all));
    }

    /// <summary>The number and its error, of as many digits as mean something.</summary>
    public override string ToString()
    {
        if (double.IsNaN(StandardError)) return Value.ToString("G4", CultureInfo.InvariantCulture);
        int digits = StandardError > 0 ? Math.Clamp(1 - (int)Math.Floor(Math.Log10(StandardError)), 0, 10) : 4;
        string format = "F" + digits.ToString(CultureInfo.InvariantCulture);
        return $"{Value.ToString(format, CultureInfo.InvariantCulture)} ± {StandardError.ToString(format, CultureInfo.InvariantCulture)}";
    }
}
