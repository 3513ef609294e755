namespace NativeDiffusion.Model.Schedules;

/// <summary>
/// How a network's raw output <c>g</c> becomes the clean sample at a noise level:
/// <c>x0 = XFromZ z + XFromG g</c> and <c>eps = EpsFromZ z + EpsFromG g</c>, with <c>z</c> the state in its own scale.
/// </summary>
/// <param name="InputScale">The network reads <c>InputScale z</c>.</param>
/// <param name="XFromZ">Weight of the state in the clean sample.</param>
/// <param name="XFromG">Weight of the raw output in the clean sample.</param>
/// <param name="EpsFromZ">Weight of the state in the noise.</param>
/// <param name="EpsFromG">Weight of the raw output in the noise.</param>
public readonly record struct OutputCoefficients(double InputScale, double XFromZ, double XFromG, double EpsFromZ, double EpsFromG);

/// <summary>
/// The form of a network: one of the three VP predictions, an EDM-preconditioned network, or one of the variance-exploding kind.
/// Any form can be run by samplers whose state is in VP or in EDM scale.
/// </summary>
public readonly record struct Parameterization
{
    private readonly PredictionType _type;
    private readonly double _sigmaData;
    private readonly bool _isExploding;

    private Parameterization(PredictionType type, double sigmaData, bool isExploding = false) =>
        (_type, _sigmaData, _isExploding) = (type, sigmaData, isExploding);

    /// <summary>
    /// A network of the variance-exploding kind in EDM's form (Karras et al. 2022, table 1): it reads <c>xE</c> as it is and predicts minus the
    /// noise, <c>x0 = xE + sE g</c>.
    /// </summary>
    public static Parameterization VarianceExploding { get; } = new(PredictionType.Eps, 0, isExploding: true);

    /// <summary>A network that reads <c>z</c> in VP scale and predicts noise, clean sample or v.</summary>
    /// <param name="type">What it predicts.</param>
    public static implicit operator Parameterization(PredictionType type) => new(type, 0);

    /// <summary>An EDM-preconditioned network (Karras et al. 2022, table 1).</summary>
    /// <param name="preconditioning">Its preconditioning.</param>
    public static implicit operator Parameterization(EdmPreconditioning preconditioning)
    {
        ArgumentNullException.ThrowIfNull(preconditioning);
        return new(PredictionType.X0, preconditioning.SigmaData);
    }

    /// <summary>Whether the network, and so the classifiers of its noisy images, read states in VP scale; else in EDM scale.</summary>
    internal bool ReadsVpScale => _sigmaData == 0 && !_isExploding;

    /// <summary>Coefficients for a state <c>z = alpha x0 + sigma noise</c> in VP scale.</summary>
    /// <param name="level">The noise level.</param>
    /// <exception cref="ArgumentException">A noise prediction says nothing about the clean sample where alpha is 0.</exception>
    public OutputCoefficients InVpScale(NoiseLevel level)
    {
        (double alpha, double sigma) = (level.Alpha, level.Sigma);
        if (_sigmaData > 0 || _isExploding)
        {
            OutputCoefficients e = InEdmScale(level);
            return e with { InputScale = e.InputScale / alpha, XFromZ = e.XFromZ / alpha, EpsFromZ = e.EpsFromZ / alpha };
        }

        switch (_type)
        {
            case PredictionType.Eps:
                RequireSignal(level);
                return new(1, 1 / alpha, -sigma / alpha, 0, 1);
            case PredictionType.X0: return new(1, 0, 1, 1 / sigma, -alpha / sigma);
            case PredictionType.V: return new(1, alpha, -sigma, sigma, alpha);
            default: throw Conversions.Unknown(_type);
        }
    }

    /// <summary>
    /// Coefficients for a state <c>xE = x0 + sE noise</c> in EDM scale. A VP network then reads <c>xE / sqrt(1 + sE^2)</c>.
    /// </summary>
    /// <param name="level">The noise level.</param>
    /// <exception cref="ArgumentException">The level has no finite EDM noise (alpha is 0).</exception>
    public OutputCoefficients InEdmScale(NoiseLevel level)
    {
        RequireSignal(level);
        double s = level.SigmaEdm;
        if (_isExploding) return new(1, 1, s, 0, -1);
        if (_sigmaData > 0)
        {
            var edm = new EdmPreconditioning(_sigmaData);
            double cSkip = edm.CSkip(s), cOut = edm.COut(s);
            // (1 - cSkip) / s without the cancellation at small s.
            return new(edm.CIn(s), cSkip, cOut, s / (s * s + _sigmaData * _sigmaData), -cOut / s);
        }

        (double alpha, double sigma) = (level.Alpha, level.Sigma);
        return _type switch
        {
            PredictionType.Eps => new(alpha, 1, -s, 0, 1),
            PredictionType.X0 => new(alpha, 0, 1, 1 / s, -1 / s),
            PredictionType.V => new(alpha, alpha * alpha, -sigma, alpha * sigma, alpha),
            _ => throw Conversions.Unknown(_type),
        };
    }

    /// <inheritdoc/>
    public override string ToString() => _sigmaData > 0 ? $"EDM (sigmaData {_sigmaData})" : _isExploding ? "variance exploding" : _type.ToString();

    private void RequireSignal(NoiseLevel level)
    {
        if (level.Alpha > 0) return;
        throw new ArgumentException(
            $"The level at timestep {level.Timestep} is pure noise (alpha = 0), where {this} cannot give a clean sample; " +
            "use a network that predicts v or x0 with a sampler in VP scale, or a schedule without zero terminal SNR.", nameof(level));
    }
}
