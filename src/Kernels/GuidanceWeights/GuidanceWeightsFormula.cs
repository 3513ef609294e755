namespace NativeDiffusion.Kernels;

/// <summary>The rules of <see cref="IKernels.GuidanceWeights"/>, from sums over a sample.</summary>
internal struct GuidanceWeightsFormula
{
    public GuidanceWeightsKind Kind;
    public int Original;
    public float Rescale, Alpha, Threshold, Eta;

    public GuidanceWeightsFormula(in GuidanceWeightsOptions options)
    {
        (Kind, Original, Rescale) = (options.Kind, options.Original ? 1 : 0, options.Rescale);
        (Alpha, Threshold, Eta) = (options.Alpha, options.Threshold, options.Eta);
    }

    /// <summary>Changes the weights of the conditional prediction and of the first branch.</summary>
    /// <param name="conditional">|p0|^2.</param>
    /// <param name="other">|p1|^2.</param>
    /// <param name="product">p0.p1.</param>
    /// <param name="difference">|p0 - p1|^2, summed by itself: a difference of the others would lose its digits.</param>
    /// <param name="m">Weight of p0.</param>
    /// <param name="w">Weight of p0 - p1.</param>
    public readonly void Correct<TMath>(double conditional, double other, double product, double difference, ref double m, ref double w)
        where TMath : IScalarMath
    {
        if (Kind == GuidanceWeightsKind.ZeroStar)
        {
            double a = product / (other + 1e-8);
            m += w * (1 - a);
            w *= a;
        }
        else if (Kind == GuidanceWeightsKind.Tangential) Tangential(conditional, other, product, ref m, ref w);
        else if (Kind == GuidanceWeightsKind.Magnitude)
        {
            if (other == 0) w = 0;
            else w *= TMath.Exp((float)(-Alpha * Math.Sqrt(difference / other)));
        }
        else if (Kind == GuidanceWeightsKind.ProjectedApg)
        {
            double scale = Original != 0 ? w : w + 1, length = Math.Sqrt(difference), square = conditional < 1e-24 ? 1e-24 : conditional;
            double cut = length > Threshold ? Threshold / length : 1.0;
            scale *= Threshold > 0f ? cut : 1.0;
            m += scale * (Eta - 1.0) * ((conditional - product) / square);
            w = Original != 0 ? scale : scale - 1;
        }
    }

    /// <summary>By the first eigenvector of the products of both predictions; its combination of them is the singular vector.</summary>
    private static void Tangential(double conditional, double other, double product, ref double m, ref double w)
    {
        double half = (conditional - other) / 2, root = Math.Sqrt(half * half + product * product);
        // Of the two ways to write it, the one that subtracts nothing. If all directions are first, that of p0.
        double first = half < 0 ? product : half + root, second = half < 0 ? root - half : product;
        double a = root > 0 ? first : 1.0, b = root > 0 ? second : 0.0;
        // Both of the size of 1, so that no power of large sums occurs below.
        double size = Math.Abs(a) + Math.Abs(b);
        a /= size;
        b /= size;
        double square = a * a * conditional + 2 * a * b * product + b * b * other;
        double along = square == 0 ? 0 : (a * product + b * other) / square;
        m += w * (1 - along * a - along * b);
        w *= along * b;
    }

    /// <summary>The factor of all weights; the spreads are sums of squared deviations from the mean, of p0 and of p.</summary>
    public readonly double RescaleFactor(double conditional, double combined)
    {
        // By rounding they can fall below 0.
        double ratio = conditional < 0 ? 0.0 : conditional / combined;
        double factor = Rescale * Math.Sqrt(ratio) + (1.0 - Rescale);
        return combined <= 0 ? 1.0 : factor;
    }
}
