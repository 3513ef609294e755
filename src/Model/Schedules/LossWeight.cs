namespace NativeDiffusion.Model.Schedules;

/// <summary>
/// The weight of the squared error at a signal-to-noise ratio. One weighting has three equivalent forms, for errors measured on the
/// noise, the clean sample or v, because <c>|dx0|^2 = |deps|^2 / snr</c> and <c>|dv|^2 = |deps|^2 (1 + snr) / snr</c>.
/// </summary>
public readonly record struct LossWeight
{
    private enum Kind { Simple, UniformX0, UniformV, TruncatedSnr, MinSnr, P2 }

    private readonly Kind _kind;
    private readonly double _gamma;
    private readonly double _k;

    private LossWeight(Kind kind, double gamma = 0, double k = 0) => (_kind, _gamma, _k) = (kind, gamma, k);

    /// <summary>1 on the noise (Ho et al. 2020; also classifier-free guidance).</summary>
    public static LossWeight Simple => new(Kind.Simple);

    /// <summary>1 on the clean sample.</summary>
    public static LossWeight UniformX0 => new(Kind.UniformX0);

    /// <summary>1 on v, also known as SNR + 1 (Salimans and Ho 2022).</summary>
    public static LossWeight UniformV => new(Kind.UniformV);

    /// <summary><c>max(snr, 1)</c> on the clean sample (Salimans and Ho 2022).</summary>
    public static LossWeight TruncatedSnr => new(Kind.TruncatedSnr);

    /// <summary><c>min(snr, gamma)</c> on the clean sample (Hang et al. 2023).</summary>
    /// <param name="gamma">Above 0.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="gamma"/> is not positive.</exception>
    public static LossWeight MinSnr(double gamma = 5) => new(Kind.MinSnr, Positive(gamma, nameof(gamma)));

    /// <summary><c>(k + snr)^-gamma</c> on the noise (Choi et al. 2022).</summary>
    /// <param name="k">Above 0.</param>
    /// <param name="gamma">Above 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is not positive.</exception>
    public static LossWeight P2(double k = 1, double gamma = 1) => new(Kind.P2, Positive(gamma, nameof(gamma)), Positive(k, nameof(k)));

    /// <summary>The weight for errors measured on <paramref name="target"/>.</summary>
    /// <param name="snr"><c>exp(logSnr) = alpha^2 / sigma^2</c>, at least 0 and finite.</param>
    /// <param name="target">What the squared error is taken of.</param>
    /// <exception cref="ArgumentOutOfRangeException">The ratio is negative or not finite.</exception>
    public double At(double snr, PredictionType target)
    {
        if (!(snr >= 0) || double.IsInfinity(snr))
            throw new ArgumentOutOfRangeException(nameof(snr), snr, "The signal-to-noise ratio must be at least 0 and finite.");
        return target switch
        {
            PredictionType.Eps => OnEps(snr),
            PredictionType.X0 => OnX0(snr),
            PredictionType.V => _kind == Kind.UniformV ? 1 : OnX0(snr) / (1 + snr),
            _ => throw Conversions.Unknown(target),
        };
    }

    private double OnEps(double snr) => _kind switch
    {
        Kind.Simple => 1,
        Kind.UniformX0 => 1 / snr,
        Kind.UniformV => (1 + snr) / snr,
        Kind.TruncatedSnr => Math.Max(1, 1 / snr),
        Kind.MinSnr => Math.Min(1, _gamma / snr),
        _ => Math.Pow(_k + snr, -_gamma),
    };

    private double OnX0(double snr) => _kind switch
    {
        Kind.Simple => snr,
        Kind.UniformX0 => 1,
        Kind.UniformV => 1 + snr,
        Kind.TruncatedSnr => Math.Max(snr, 1),
        Kind.MinSnr => Math.Min(snr, _gamma),
        _ => snr * Math.Pow(_k + snr, -_gamma),
    };

    private static double Positive(double value, string name) =>
        value > 0 ? value : throw new ArgumentOutOfRangeException(name, value, "Must be positive.");
}
