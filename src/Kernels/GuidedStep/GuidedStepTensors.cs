namespace NativeDiffusion.Kernels;

/// <summary>What <see cref="IKernels.GuidedStep"/> reads and writes for N samples.</summary>
internal readonly record struct GuidedStepTensors
{
    /// <summary>Most branches that a sample has beside its conditional prediction.</summary>
    public const int MostBranches = 4;

    /// <summary>
    /// The network's raw output, [R, ..., C] or [R, ..., 2C] with R at least N; rows 0 to N - 1 are the conditional predictions. Empty for a step without one.
    /// </summary>
    public TensorView Prediction { get; init; }

    /// <summary>Weights m, w1, ..., wK of each sample, [N, 1 + K] with K at most <see cref="MostBranches"/>. Empty: g is the conditional prediction.</summary>
    public TensorView Weight { get; init; }

    /// <summary>Row in the prediction of each sample's branches, or -1 where it has none; int32 bits, [N, K]. Empty: none has one.</summary>
    public TensorView BranchRow { get; init; }

    /// <summary>Bound q of each sample's clean sample, which is then divided by it (dynamic threshold), [N]; empty for the row's own bounds.</summary>
    public TensorView Limit { get; init; }

    /// <summary>What guidance by gradients adds, shaped as z; empty for none.</summary>
    public TensorView Shift { get; init; }

    /// <summary>Index of each sample in the run, int32 bits, [N]; may be empty where no noise is drawn.</summary>
    public TensorView SampleIndex { get; init; }

    /// <summary>Noise to use instead of the generator's, shaped as z; empty for the generator's.</summary>
    public TensorView Noise { get; init; }

    /// <summary>The states, [N, ..., C].</summary>
    public required TensorView Z { get; init; }

    /// <summary>First history h1, read and then written; may be empty for rows that do neither.</summary>
    public TensorView History { get; init; }

    /// <summary>The history h2 before the first; may be empty for rows that neither read it nor shift histories.</summary>
    public TensorView History2 { get; init; }

    /// <summary>The history h3 before that; may be empty for rows that neither read it nor shift two histories.</summary>
    public TensorView History3 { get; init; }

    /// <summary>The stored state s, read and then written; may be empty for rows that do neither.</summary>
    public TensorView State { get; init; }

    /// <summary>Receives x; empty where it is not wanted.</summary>
    public TensorView Denoised { get; init; }

    /// <summary>Receives the next states; may be z, and is where it is empty.</summary>
    public TensorView Y { get; init; }
}
