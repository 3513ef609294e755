namespace NativeDiffusion.Model.Training;

/// <summary>
/// Moving averages with a power-function profile (Karras et al. 2024, arXiv 2312.02696, section 3): the weights at time t count by <c>t^gamma</c>, and
/// the width of the profile, relative to the training's length, is its name: <c>sigma_rel^2 = (gamma + 1) / ((gamma + 2)^2 (gamma + 3))</c>. From the
/// averages of two widths at several times, any other width follows after training (their section 3.2).
/// </summary>
public static class PowerFunctionAverage
{
    /// <summary>The greatest relative width: that of gamma = 0, a plain mean.</summary>
    public static double GreatestWidth { get; } = Math.Sqrt(1.0 / 12);

    /// <summary>The exponent of a relative width.</summary>
    /// <param name="width">Above 0 and below <see cref="GreatestWidth"/>, 0.289.</param>
    /// <exception cref="ArgumentOutOfRangeException">Outside of that range.</exception>
    public static double Exponent(double width)
    {
        if (!(width > 0 && width < GreatestWidth))
            throw new ArgumentOutOfRangeException(nameof(width), width, FormattableString.Invariant($"The relative width of an average is above 0 and below {GreatestWidth:0.####}; 0.05 to 0.2 are usual."));
        // The largest root of gamma^3 + 7 gamma^2 + (16 - w^-2) gamma + (12 - w^-2); from beyond it, Newton's steps fall towards it.
        double inverse = 1 / (width * width), gamma = 1 / width + 1;
        for (int i = 0; i < 200; i++)
        {
            double value = ((gamma + 7) * gamma + 16 - inverse) * gamma + 12 - inverse, slope = (3 * gamma + 14) * gamma + 16 - inverse;
            double next = gamma - value / slope;
            if (next >= gamma) break;
            gamma = next;
        }
        return gamma;
    }

    /// <summary>The relative width of an exponent.</summary>
    /// <param name="exponent">gamma, at least 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">Below 0.</exception>
    public static double Width(double exponent)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(exponent);
        return Math.Sqrt((exponent + 1) / ((exponent + 2) * (exponent + 2) * (exponent + 3)));
    }

    /// <summary>How much of the average stays in a step: <c>(1 - batch / images)^(gamma + 1)</c>; 0 in the first step, which so becomes the average.</summary>
    /// <param name="exponent">gamma.</param>
    /// <param name="images">Images seen after the step.</param>
    /// <param name="batch">Images of the step; at most <paramref name="images"/>.</param>
    public static double Decay(double exponent, double images, double batch) => Math.Pow(1 - batch / images, exponent + 1);

    /// <summary>Inner product of two profiles, each of them cut at its time.</summary>
    public static double Correlation((double Time, double Exponent) a, (double Time, double Exponent) b)
    {
        double power = a.Time < b.Time ? b.Exponent : -a.Exponent;
        return (a.Exponent + 1) * (b.Exponent + 1) * Math.Pow(a.Time / b.Time, power) / ((a.Exponent + b.Exponent + 1) * Math.Max(a.Time, b.Time));
    }

    /// <summary>
    /// Factors by which saved averages add up to the average nearest to a wanted one, in least squares of the profiles; they sum to 1, and some are negative.
    /// </summary>
    /// <param name="saved">Time (images, or any other measure) and exponent of each saved average; no two alike.</param>
    /// <param name="wanted">Those of the wanted one.</param>
    /// <exception cref="ArgumentException">Nothing saved, two saved averages alike, or a time that is not positive.</exception>
    public static double[] Factors(IReadOnlyList<(double Time, double Exponent)> saved, (double Time, double Exponent) wanted)
    {
        ArgumentNullException.ThrowIfNull(saved);
        int n = saved.Count;
        if (n == 0) throw new ArgumentException("There is no saved average to combine.");
        if (saved.Append(wanted).Any(s => !(s.Time > 0))) throw new ArgumentException("The time of an average is above 0.");
        double[,] a = new double[n, n + 1];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++) a[i, j] = Correlation(saved[i], saved[j]);
            a[i, n] = Correlation(saved[i], wanted);
        }
        double[] x = Solve(a);
        double sum = x.Sum();
        return [.. x.Select(value => value / sum)];
    }

    // Gaussian elimination with pivots; profiles are few.
    private static double[] Solve(double[,] a)
    {
        int n = a.GetLength(0);
        for (int k = 0; k < n; k++)
        {
            int pivot = k;
            for (int i = k + 1; i < n; i++)
                if (Math.Abs(a[i, k]) > Math.Abs(a[pivot, k])) pivot = i;
            if (!(Math.Abs(a[pivot, k]) > 0)) throw new ArgumentException("Two saved averages have the same time and width.");
            for (int j = k; j <= n; j++) (a[k, j], a[pivot, j]) = (a[pivot, j], a[k, j]);
            for (int i = k + 1; i < n; i++)
            {
                double factor = a[i, k] / a[k, k];
                for (int j = k; j <= n; j++) a[i, j] -= factor * a[k, j];
            }
        }
        double[] x = new double[n];
        for (int i = n - 1; i >= 0; i--)
        {
            x[i] = a[i, n];
            for (int j = i + 1; j < n; j++) x[i] -= a[i, j] * x[j];
            x[i] /= a[i, i];
        }
        return x;
    }
}
