namespace NativeDiffusion.Kernels;

/// <summary>What <see cref="IKernels.GuidedStep"/> reads and writes for N samples.</summary>
public readonly record struct GuidedStepTensors
{
    /// <summary>The network's raw output, [R, ..., C] or [R, ..., 2C] with R at least N; rows 0 to N - 1 are the conditional half.</summary>
    public required TensorView Prediction { get; init; }

    /// <summary>Guidance scale s of each sample, [N].</summary>
    public required TensorView Scale { get; init; }

    /// <summary>Row of each sample's null half in the prediction, or -1 where it has none; int32 bits, [N]. Empty: none has one.</summary>
    public TensorView NullRow { get; init; }

    /// <summary>Index of each sample in the run, int32 bits, [N]; may be empty where no noise is drawn.</summary>
    public TensorView SampleIndex { get; init; }

    /// <summary>Noise to use instead of the generator's, shaped as z; empty for the generator's.</summary>
    public TensorView Noise { get; init; }

    /// <summary>The states, [N, ..., C].</summary>
    public required TensorView Z { get; init; }

    /// <summary>First history h1, read and then written; may be empty for rows that do neither.</summary>
    public TensorView History { get; init; }

    /// <summary>Second history h2, read and then written; may be empty for rows that do neither.</summary>
    public TensorView State { get; init; }

    /// <summary>Receives x; empty where it is not wanted.</summary>
    public TensorView Denoised { get; init; }

    /// <summary>Receives the next states; may be z, and is where it is empty.</summary>
    public TensorView Y { get; init; }
}
