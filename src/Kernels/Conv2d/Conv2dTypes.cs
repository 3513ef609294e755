namespace NativeDiffusion.Kernels;

/// <summary>The extents of a convolution; <see cref="Height"/> and <see cref="Width"/> are those of the virtual input, after upsampling.</summary>
public readonly record struct Conv2dShape(
    int Batch, int Height, int Width, int InChannels, int OutChannels, int KernelHeight, int KernelWidth, int Stride, int Padding)
{
    /// <summary>Zero pixels below and to the right of the image, where they are not as many as above and to the left.</summary>
    public int EndPadding { get; init; } = Padding;

    /// <summary>Zero pixels to the left and to the right of the image, where they are not as many as above and below; null for as many.</summary>
    public int? WidthPadding { get; init; }

    /// <summary>Rows of the output.</summary>
    public int OutHeight => (Height + Padding + EndPadding - KernelHeight) / Stride + 1;

    /// <summary>Columns of the output.</summary>
    public int OutWidth => (Width + (2 * WidthPadding ?? Padding + EndPadding) - KernelWidth) / Stride + 1;

    /// <summary>Zero pixels to the left of the image.</summary>
    internal int LeftPadding => WidthPadding ?? Padding;

    /// <summary>Floating-point operations of the direct sum, two per multiply-add, whatever algorithm runs.</summary>
    public double Flops => 2.0 * Batch * OutHeight * OutWidth * OutChannels * KernelHeight * KernelWidth * InChannels;

    /// <summary>Letters and extents.</summary>
    public override string ToString() =>
        $"conv {KernelHeight}x{KernelWidth}/{Stride} pad {Padding}{(EndPadding == Padding ? "" : $"..{EndPadding}")}{(WidthPadding is null ? "" : $"x{WidthPadding}")} [N={Batch},H={Height},W={Width},C={InChannels}] -> {OutChannels}";
}

/// <summary>What a convolution applies to its output last.</summary>
public enum Activation
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>x / (1 + e^-x).</summary>
    Silu,

    /// <summary>max(x, 0).</summary>
    Relu,

    /// <summary>log(1 + e^(beta x)) / beta.</summary>
    Softplus,
}

/// <summary>Which use of the weights they are packed for.</summary>
public enum Conv2dPass
{
    /// <summary><see cref="IKernels.Conv2dForward"/>.</summary>
    Forward,

    /// <summary><see cref="IKernels.Conv2dInputGrad"/>.</summary>
    InputGrad,
}

/// <summary>
/// The virtual input of a convolution, never stored as a whole: u = X, or X and X2 side by side on the channel axis, or that with every pixel
/// repeated 2x2, and then optionally normalised, u = (x - mean) rstd gamma + beta; u = u (1 + scale) + shift; and SiLU(u).
/// </summary>
internal readonly struct Conv2dInput
{
    /// <summary>The source [N,h,w,C1]; h = H and w = W, or half of them with <see cref="Upsample"/>.</summary>
    public TensorView X { get; init; }

    /// <summary>A second source [N,h,w,C2] whose channels follow those of <see cref="X"/>; may be left out.</summary>
    public TensorView X2 { get; init; }

    /// <summary>Repeats every source pixel 2x2 (nearest-neighbour upsampling).</summary>
    public bool Upsample { get; init; }

    /// <summary>Group means [N,G]; left out: no normalisation.</summary>
    public TensorView NormMean { get; init; }

    /// <summary>Reciprocal standard deviations [N,G].</summary>
    public TensorView NormRstd { get; init; }

    /// <summary>Weight of the normalisation [C]; may be left out (1).</summary>
    public TensorView Gamma { get; init; }

    /// <summary>Bias of the normalisation [C]; may be left out (0).</summary>
    public TensorView Beta { get; init; }

    /// <summary>Scale, then shift, [N,2C]; may be left out (0, 0).</summary>
    public TensorView ScaleShift { get; init; }

    /// <summary>Applies SiLU last; also without a normalisation.</summary>
    public bool Silu { get; init; }

    /// <summary>Number of groups G of the normalisation.</summary>
    public int Groups { get; init; }

    /// <summary>A source that is read as it is.</summary>
    public static implicit operator Conv2dInput(TensorView x) => new() { X = x };
}

/// <summary>What a convolution adds to its sums before they are stored: y = act(sum + bias + embedding + residual), each optional.</summary>
internal readonly struct Conv2dEpilogue
{
    /// <summary>Bias [Cout].</summary>
    public TensorView Bias { get; init; }

    /// <summary>One row [Cout] per image, [N,Cout], added to each of its pixels.</summary>
    public TensorView Embedding { get; init; }

    /// <summary>A tensor of the output's shape.</summary>
    public TensorView Residual { get; init; }

    /// <summary>Applied last.</summary>
    public Activation Activation { get; init; }

    /// <summary>beta of <see cref="Activation.Softplus"/>.</summary>
    public float Beta { get; init; }

    /// <summary>Receives the mean of each group of the result's channels, [N,Groups], for a GroupNorm that follows; left out for none.</summary>
    public TensorView NormMean { get; init; }

    /// <summary>Receives 1 / sqrt(variance + NormEpsilon) of each group, [N,Groups]; given exactly when <see cref="NormMean"/> is.</summary>
    public TensorView NormRstd { get; init; }

    /// <summary>Added to the variance.</summary>
    public double NormEpsilon { get; init; }
}

/// <summary>An activation in front of which a gradient is wanted: the gradient behind it is multiplied by its derivative, which follows from its result.</summary>
internal readonly struct ActivationGradient
{
    /// <summary>The activation's result, of the gradient's shape; left out for none.</summary>
    public TensorView Result { get; init; }

    /// <summary><see cref="Activation.Relu"/> or <see cref="Activation.Softplus"/>.</summary>
    public Activation Activation { get; init; }

    /// <summary>beta of <see cref="Activation.Softplus"/>.</summary>
    public float Beta { get; init; }
}
