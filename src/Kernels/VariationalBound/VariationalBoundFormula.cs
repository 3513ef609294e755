namespace NativeDiffusion.Kernels;

/// <summary>Exponential and logarithm, as a backend has them.</summary>
internal interface IScalarMath
{
    static abstract float Exp(float x);

    /// <summary>ln x of a normal number above 0.</summary>
    static abstract float Log(float x);
}

/// <summary>One element of the variational bound, and its derivative by nu; in nats. Sums of signs that differ are avoided, so that float32 is enough.</summary>
internal struct VariationalBoundElement
{
    /// <summary>Numbers of a row.</summary>
    public const int RowLength = 6;

    private const float HalfBin = 1f / 255, LastInside = 0.999f, LeastMass = 1e-12f;

    public float XFromZ, XFromG, CoefX0, LogVarMin, LogVarMax, Last;

    public readonly float Nats<TMath>(float g, float nu, float z, float x0)
        where TMath : IScalarMath
    {
        float fd = (nu + 1f) * 0.5f * (LogVarMax - LogVarMin), x = XFromZ * z + XFromG * g;
        if (Last == 0f) return 0.5f * (fd - 1f + TMath.Exp(-fd) * (1f + Mismatch<TMath>(x0 - x)));
        float mass = Mass<TMath>(x0, x, fd, out _, out _);
        return -TMath.Log(IsCut(mass) != 0 ? LeastMass : mass);
    }

    public readonly float Gradient<TMath>(float g, float nu, float z, float x0)
        where TMath : IScalarMath
    {
        float d = LogVarMax - LogVarMin, fd = (nu + 1f) * 0.5f * d, x = XFromZ * z + XFromG * g;
        if (Last == 0f) return 0.25f * d * (1f - TMath.Exp(-fd) * (1f + Mismatch<TMath>(x0 - x)));
        float mass = Mass<TMath>(x0, x, fd, out float upper, out float lower);
        float above = Sigmoid<TMath>(upper), below = Sigmoid<TMath>(lower);
        float slopeAbove = Slope<TMath>(x0 - x + HalfBin, fd), slopeBelow = Slope<TMath>(x0 - x - HalfBin, fd);
        // Derivatives by the log-variance; at either end only one of the two edges is there.
        int end = End(x0);
        float change = end < 0 ? Sigmoid<TMath>(-upper) * slopeAbove
            : end > 0 ? -below * slopeBelow
            : (above * Sigmoid<TMath>(-upper) * slopeAbove - below * Sigmoid<TMath>(-lower) * slopeBelow) / mass;
        // Where the loss is cut off it has no slope.
        return IsCut(mass) != 0 ? 0f : -0.5f * d * change;
    }

    private static float Sigmoid<TMath>(float x)
        where TMath : IScalarMath => 1f / (1f + TMath.Exp(-x));

    // (1 + tanh u) / 2 is the sigmoid of 2 u.
    private static float Edge(float y) => 1.59576912f * (y + 0.044715f * y * y * y);

    /// <summary>Whether x0 lies in the lowest (-1) or the highest bin (1), which have one edge. A number, as GPU threads branch by it: docs/gpu.md.</summary>
    private static int End(float x0) => x0 < -LastInside ? -1 : x0 > LastInside ? 1 : 0;

    private static int IsCut(float mass) => mass < LeastMass ? 1 : 0;

    /// <summary>(difference of the means)^2 over the smallest variance.</summary>
    private readonly float Mismatch<TMath>(float distance)
        where TMath : IScalarMath => CoefX0 * distance * (CoefX0 * distance) * TMath.Exp(-LogVarMin);

    private readonly float Inverse<TMath>(float fd)
        where TMath : IScalarMath => TMath.Exp(-0.5f * (LogVarMin + fd));

    /// <summary>Derivative by the log-variance of what the sigmoid of an edge of the bin is taken of.</summary>
    private readonly float Slope<TMath>(float distance, float fd)
        where TMath : IScalarMath
    {
        float y = distance * Inverse<TMath>(fd);
        return -0.5f * y * 1.59576912f * (1f + 0.134145f * y * y);
    }

    private readonly float Mass<TMath>(float x0, float x, float fd, out float upper, out float lower)
        where TMath : IScalarMath
    {
        float inverse = Inverse<TMath>(fd);
        (upper, lower) = (Edge((x0 - x + HalfBin) * inverse), Edge((x0 - x - HalfBin) * inverse));
        int end = End(x0);
        if (end < 0) return Sigmoid<TMath>(upper);
        if (end > 0) return Sigmoid<TMath>(-lower);
        return (1f - TMath.Exp(lower - upper)) * Sigmoid<TMath>(upper) * Sigmoid<TMath>(-lower);
    }
}
