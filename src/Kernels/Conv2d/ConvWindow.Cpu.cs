namespace NativeDiffusion.Kernels;

/// <summary>
/// A correlation of an image with a window: output point (r, q) sees the taps at input rows InY0 + r InStride + a and columns InX0 + q InStride + b,
/// zero outside, and is stored at output row OutY0 + r OutStride, column OutX0 + q OutStride. A forward convolution is one of these; an input
/// gradient is one for each phase of the stride.
/// </summary>
internal struct ConvWindow
{
    public int InChannels, OutChannels, TapsY, TapsX;
    public int InStride, InY0, InX0, OutStride, OutY0, OutX0;
    public int Rows, Columns, InHeight, InWidth, OutHeight, OutWidth;

    /// <summary>Where its weights begin among the packed ones.</summary>
    public long Packed;

    public static ConvWindow Forward(in Conv2dShape s) => new()
    {
        InChannels = s.InChannels,
        OutChannels = s.OutChannels,
        TapsY = s.KernelHeight,
        TapsX = s.KernelWidth,
        InStride = s.Stride,
        InY0 = -s.Padding,
        InX0 = -s.LeftPadding,
        OutStride = 1,
        Rows = s.OutHeight,
        Columns = s.OutWidth,
        InHeight = s.Height,
        InWidth = s.Width,
        OutHeight = s.OutHeight,
        OutWidth = s.OutWidth,
    };

    /// <summary>The phase of input rows py, py + stride, ... and columns px, px + stride, ... of an input gradient.</summary>
    public static ConvWindow InputGrad(in Conv2dShape s, int py, int px)
    {
        (int tapsY, int inY0) = Taps(s.KernelHeight, s.Stride, s.Padding, py);
        (int tapsX, int inX0) = Taps(s.KernelWidth, s.Stride, s.LeftPadding, px);
        if (tapsY == 0 || tapsX == 0) (tapsY, tapsX) = (0, 0);
        return new()
        {
            InChannels = s.OutChannels,
            OutChannels = s.InChannels,
            TapsY = tapsY,
            TapsX = tapsX,
            InStride = 1,
            InY0 = inY0,
            InX0 = inX0,
            OutStride = s.Stride,
            OutY0 = py,
            OutX0 = px,
            Rows = Math.Max(0, (s.Height - py + s.Stride - 1) / s.Stride),
            Columns = Math.Max(0, (s.Width - px + s.Stride - 1) / s.Stride),
            InHeight = s.OutHeight,
            InWidth = s.OutWidth,
            OutHeight = s.Height,
            OutWidth = s.Width,
        };
    }

    /// <summary>Number of kernel taps that reach a phase, and the output row that the window of its first point starts at.</summary>
    private static (int Taps, int Start) Taps(int kernel, int stride, int padding, int phase)
    {
        int first = (phase + padding) % stride;
        int taps = first < kernel ? (kernel - first + stride - 1) / stride : 0;
        return (taps, (phase + padding - first) / stride - (taps - 1));
    }

    /// <summary>Whether no point sees anything outside the image.</summary>
    public readonly bool IsWhole => InY0 >= 0 && InX0 >= 0 && InY0 + (Rows - 1) * InStride + TapsY <= InHeight && InX0 + (Columns - 1) * InStride + TapsX <= InWidth;

    /// <summary>Length of the sum.</summary>
    public readonly long Depth => (long)TapsY * TapsX * InChannels;

    /// <summary>A few output channels, each a dot product along whole vectors, waste less than a panel of 2 vectors that they fill in part.</summary>
    public readonly bool UsesDot(int lanes) => OutChannels <= lanes / 2 && TapsX > 0 && TapsX * InChannels % lanes == 0;

    /// <summary>Output channels that are packed side by side, in all panels but the last, which may be narrower.</summary>
    public readonly int Panel(int lanes) => UsesDot(lanes) ? 1 : 2 * lanes;

    public readonly long PackedLength(int lanes) => Depth * (UsesDot(lanes) ? OutChannels : (OutChannels + lanes - 1) / lanes * lanes);
}
