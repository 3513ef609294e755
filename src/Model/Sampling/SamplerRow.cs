namespace NativeDiffusion.Model.Sampling;

/// <summary>
/// One network evaluation and the state update after it, as numbers. For every element, with <c>e0</c> and <c>ec</c> the raw outputs without
/// and with the condition, <c>s</c> the guidance scale and <c>n</c> standard normal noise:
/// <code>
/// network input  InputScale z
/// g   = e0 + s (ec - e0)
/// x   = XFromZ z + XFromG g                         clamped to [-1, 1] if Clip
/// z'  = A z + B x + E g + P h1 + Q h2 + C n
/// h1' = HistoryFromZ z + HistoryFromX x             if StoreHistory
/// h2' = z                                           if StoreState
/// </code>
/// If <see cref="LearnedVariance"/>, C is replaced by <c>exp((f LogVarMax + (1-f) LogVarMin) / 2)</c>, <c>f = (nu + 1) / 2</c>, with nu the
/// variance channels of the conditional half. Histories must not be read where P or Q is 0.
/// </summary>
public sealed record SamplerRow
{
    /// <summary>The network reads the state times this.</summary>
    public double InputScale { get; init; } = 1;

    /// <summary>The time that the network receives.</summary>
    public double Timestep { get; init; }

    /// <summary>Log-SNR of the level at which the network is called.</summary>
    public double LogSnr { get; init; }

    /// <summary>Index of the step, 0 the first; both evaluations of a Heun step share it. Governs guidance interval and random stream.</summary>
    public int StepIndex { get; init; }

    /// <summary>Weight of the state in the clean sample.</summary>
    public double XFromZ { get; init; }

    /// <summary>Weight of the guided raw output in the clean sample.</summary>
    public double XFromG { get; init; }

    /// <summary>Weight of the state in the next state.</summary>
    public double A { get; init; }

    /// <summary>Weight of the (clipped) clean sample in the next state.</summary>
    public double B { get; init; }

    /// <summary>Weight of the guided raw output in the next state.</summary>
    public double E { get; init; }

    /// <summary>Weight of the first history in the next state.</summary>
    public double P { get; init; }

    /// <summary>Weight of the second history, a stored state, in the next state.</summary>
    public double Q { get; init; }

    /// <summary>Standard deviation of the noise added to the next state.</summary>
    public double C { get; init; }

    /// <summary>Whether the network's variance channels replace <see cref="C"/>.</summary>
    public bool LearnedVariance { get; init; }

    /// <summary>Log-variance at nu = -1.</summary>
    public double LogVarMin { get; init; }

    /// <summary>Log-variance at nu = 1.</summary>
    public double LogVarMax { get; init; }

    /// <summary>Weight of the state in the stored history.</summary>
    public double HistoryFromZ { get; init; }

    /// <summary>Weight of the (clipped) clean sample in the stored history.</summary>
    public double HistoryFromX { get; init; }

    /// <summary>Whether this row stores the first history.</summary>
    public bool StoreHistory { get; init; }

    /// <summary>Whether this row stores its state as the second history, before updating it.</summary>
    public bool StoreState { get; init; }

    /// <summary>Whether the clean sample is clamped to [-1, 1].</summary>
    public bool Clip { get; init; }
}
