using NativeDiffusion.Kernels;

namespace NativeDiffusion.Model.Sampling;

/// <summary>
/// One network evaluation and the state update after it, as numbers. For every element, with <c>g</c> the guided raw output (for classifier-free guidance
/// <c>e0 + s (ec - e0)</c>), <c>p1</c> the output of guidance's first branch (e0), and <c>n</c> standard normal noise:
/// <code>
/// network input  InputScale z
/// x   = XFromZ z + XFromG g                         clamped to [-1, 1] if Clip
/// z'  = A z + B x + E g + F p1 + P h1 + P2 h2 + P3 h3 + Q s + C n
/// h3' = h2, h2' = h1                                                   the first if ShiftHistories is 2, the second if it is 1 or 2
/// h1' = HistoryFromZ z + HistoryFromX x + HistoryFromP1 p1             if StoreHistory
/// s'  = z                                                              if StoreState
/// </code>
/// If <see cref="LearnedVariance"/>, C is replaced by <c>exp((f LogVarMax + (1-f) LogVarMin) / 2)</c>, <c>f = (nu + 1) / 2</c>, with nu the
/// variance channels of the conditional half. Histories must not be read where their weight is 0. The state is <c>z = Alpha x0 + Sigma noise</c>.
/// </summary>
public sealed record SamplerRow
{
    // Between the counters of a step's noises; those of repeated steps lie below it, and of the way back above.
    private const int NextNoise = 1 << 28;

    /// <summary>The network reads the state times this.</summary>
    public double InputScale { get; init; } = 1;

    /// <summary>Whether the network is evaluated. A row that does not adds noise, for example.</summary>
    public bool Evaluates { get; init; } = true;

    /// <summary>Weight of the clean sample in the state before the row; 0 where it is pure noise.</summary>
    public double Alpha { get; init; } = 1;

    /// <summary>Weight of the noise in the state before the row.</summary>
    public double Sigma { get; init; }

    /// <summary>The state times this is the noisy sample as a classifier of noisy images, trained on the model's schedule, knows it.</summary>
    public double NoisyScale { get; init; } = 1;

    /// <summary>The time that the network receives.</summary>
    public double Timestep { get; init; }

    /// <summary>Log-SNR of the level at which the network is called.</summary>
    public double LogSnr { get; init; }

    /// <summary>Index of the step, 0 the first; both evaluations of a Heun step share it. Governs guidance interval and random stream.</summary>
    public int StepIndex { get; init; }

    /// <summary>Which of the step's noises this row adds, 0 the first: rows of one step that add noise must differ in it. 0 to 3.</summary>
    public int NoiseIndex { get; init; }

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

    /// <summary>Weight of the history before the first one in the next state.</summary>
    public double P2 { get; init; }

    /// <summary>Weight of the history before that in the next state.</summary>
    public double P3 { get; init; }

    /// <summary>Weight of the stored state in the next state.</summary>
    public double Q { get; init; }

    /// <summary>Weight of the first branch's raw output in the next state.</summary>
    public double F { get; init; }

    /// <summary>Standard deviation of the noise added to the next state.</summary>
    public double C { get; init; }

    /// <summary>Whether the network's variance channels replace <see cref="C"/>.</summary>
    public bool LearnedVariance { get; init; }

    /// <summary>Log-variance at nu = -1.</summary>
    public double LogVarMin { get; init; }

    /// <summary>Log-variance at nu = 1.</summary>
    public double LogVarMax { get; init; }

    /// <summary>Whether no noise is added whatever the variance, which gradients that move the mean still need: the last step of an ancestral sampler.</summary>
    public bool NoNoise { get; init; }

    /// <summary>Weight of the first branch's raw output in the stored history.</summary>
    public double HistoryFromP1 { get; init; }

    /// <summary>Weight of the state in the stored history.</summary>
    public double HistoryFromZ { get; init; }

    /// <summary>Weight of the (clipped) clean sample in the stored history.</summary>
    public double HistoryFromX { get; init; }

    /// <summary>Whether this row stores the first history.</summary>
    public bool StoreHistory { get; init; }

    /// <summary>How many older histories take over the one after them before the first is stored: 0, 1 or 2.</summary>
    public int ShiftHistories { get; init; }

    /// <summary>Whether this row stores its state, before updating it.</summary>
    public bool StoreState { get; init; }

    /// <summary>Whether the clean sample is clamped to [-1, 1].</summary>
    public bool Clip { get; init; }

    /// <summary>The row for the kernel, in float32.</summary>
    internal GuidedStepRow ToKernelRow() => new()
    {
        StepIndex = StepIndex + NoiseIndex * NextNoise,
        XFromZ = (float)XFromZ,
        XFromG = (float)XFromG,
        A = (float)A,
        B = (float)B,
        E = (float)E,
        F = (float)F,
        P = (float)P,
        P2 = (float)P2,
        P3 = (float)P3,
        Q = (float)Q,
        C = (float)C,
        LearnedVariance = LearnedVariance,
        LogVarMin = (float)LogVarMin,
        LogVarMax = (float)LogVarMax,
        NoNoise = NoNoise,
        HistoryFromZ = (float)HistoryFromZ,
        HistoryFromX = (float)HistoryFromX,
        HistoryFromP1 = (float)HistoryFromP1,
        StoreHistory = StoreHistory,
        ShiftHistories = ShiftHistories,
        StoreState = StoreState,
        Clip = Clip,
    };
}
