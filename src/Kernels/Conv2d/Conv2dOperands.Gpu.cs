using ILGPU;

namespace NativeDiffusion.Kernels;

/// <summary>Which pixel of an image a pixel of the other one meets through a tap.</summary>
internal interface IConvTaps
{
    /// <summary>Channels of the image.</summary>
    int Channels { get; }

    /// <summary>The image's pixel, or -1 for none.</summary>
    int Pixel(int pixel, int tap);
}

/// <summary>The input, as output pixels see it; none in the padding.</summary>
internal struct ForwardTaps : IConvTaps
{
    public int Height, Width, Inputs, OutHeight, OutWidth, KernelWidth, Stride, Padding;

    public readonly int Channels => Inputs;

    public static ForwardTaps Of(in Conv2dShape s) => new()
    {
        Height = s.Height,
        Width = s.Width,
        Inputs = s.InChannels,
        OutHeight = s.OutHeight,
        OutWidth = s.OutWidth,
        KernelWidth = s.KernelWidth,
        Stride = s.Stride,
        Padding = s.Padding,
    };

    public readonly int Pixel(int pixel, int tap)
    {
        int row = pixel / OutWidth, j = pixel - row * OutWidth, n = row / OutHeight, i = row - n * OutHeight;
        int a = tap / KernelWidth, y = i * Stride + a - Padding, x = j * Stride + tap - a * KernelWidth - Padding;
        return y < 0 || y >= Height || x < 0 || x >= Width ? -1 : (n * Height + y) * Width + x;
    }
}

/// <summary>The output's gradient, as input pixels reach it; none where the output ends or the stride steps over.</summary>
internal struct GradientTaps : IConvTaps
{
    public int Height, Width, OutHeight, OutWidth, Outputs, KernelWidth, Stride, Padding;

    public readonly int Channels => Outputs;

    public static GradientTaps Of(in Conv2dShape s) => new()
    {
        Height = s.Height,
        Width = s.Width,
        OutHeight = s.OutHeight,
        OutWidth = s.OutWidth,
        Outputs = s.OutChannels,
        KernelWidth = s.KernelWidth,
        Stride = s.Stride,
        Padding = s.Padding,
    };

    public readonly int Pixel(int pixel, int tap)
    {
        int row = pixel / Width, x = pixel - row * Width, n = row / Height, y = row - n * Height, a = tap / KernelWidth;
        int i = y + Padding - a, j = x + Padding - (tap - a * KernelWidth);
        if (i < 0 || j < 0 || i % Stride != 0 || j % Stride != 0) return -1;
        i /= Stride;
        j /= Stride;
        return i >= OutHeight || j >= OutWidth ? -1 : (n * OutHeight + i) * OutWidth + j;
    }
}

/// <summary>An image as windows: for every pixel of the other one the taps, and for every tap the channels.</summary>
internal struct ConvWindows<TTaps>
    where TTaps : struct, IConvTaps
{
    public ArrayView<float> Image;
    public TTaps Taps;
    public int Vectors;

    /// <summary>Values position .. position + 3 of a pixel's window, zero from <paramref name="length"/> on.</summary>
    public readonly F4 Four(int pixel, int position, int length)
    {
        if (Vectors == 0)
            return new F4 { X = At(pixel, position, length), Y = At(pixel, position + 1, length), Z = At(pixel, position + 2, length), W = At(pixel, position + 3, length) };
        long at = Find(pixel, position);
        return at < 0 ? default : Image.Cast<F4>()[at / 4];
    }

    private readonly float At(int pixel, int position, int length)
    {
        long at = position < length ? Find(pixel, position) : -1;
        return at < 0 ? 0 : Image[at];
    }

    private readonly long Find(int pixel, int position)
    {
        int channels = Taps.Channels, tap = position / channels, met = Taps.Pixel(pixel, tap);
        return met < 0 ? -1 : (long)met * channels + position - tap * channels;
    }
}

/// <summary>Rows: pixels; k: the values of their windows.</summary>
internal struct WindowRowsOperand<TTaps> : IGemmOperand
    where TTaps : struct, IConvTaps
{
    public ConvWindows<TTaps> Windows;
    public int Count, Depth;

    public static int AlongK => 1;

    public readonly F4 Load(int index, int k) => index >= Count || k >= Depth ? default : Windows.Four(index, k, Depth);
}

/// <summary>Columns: the values of the input's windows; k: output pixels.</summary>
internal struct WindowColumnsOperand : IGemmOperand
{
    public ConvWindows<ForwardTaps> Windows;
    public int Count, Depth;

    public static int AlongK => 0;

    public readonly F4 Load(int index, int k) => index >= Count || k >= Depth ? default : Windows.Four(k, index, Count);
}

/// <summary>Columns: input channels; k: tap and output channel.</summary>
internal struct TapsOperand : IGemmOperand
{
    public ArrayView<float> Weight;
    public int Inputs, Outputs, Taps, Depth, Vectors;

    public static int AlongK => 0;

    public readonly F4 Load(int index, int k)
    {
        if (k >= Depth) return default;
        int tap = k / Outputs, output = k - tap * Outputs;
        return GpuLoad.Four(Weight, ((long)output * Taps + tap) * Inputs + index, Inputs - index, Vectors);
    }
}

/// <summary>y = act(sum + bias + embedding + residual), each optional.</summary>
internal struct ConvResult : IGemmResult
{
    public ArrayView<float> Y, Bias, Embedding, Residual;
    public int HasBias, HasEmbedding, HasResidual, Activation, Rows, Channels, Pixels, Vectors;

    public readonly void Store(int slice, int m, int n, F4 sums)
    {
        if (m >= Rows || n >= Channels) return;
        long at = (long)m * Channels + n;
        int count = Channels - n;
        if (HasBias != 0) sums = GpuLoad.Add(sums, GpuLoad.Four(Bias, n, count, Vectors));
        if (HasEmbedding != 0) sums = GpuLoad.Add(sums, GpuLoad.Four(Embedding, (long)(m / Pixels) * Channels + n, count, Vectors));
        if (HasResidual != 0) sums = GpuLoad.Add(sums, GpuLoad.Four(Residual, at, count, Vectors));
        if (Activation != 0) sums = new F4 { X = Activate(sums.X), Y = Activate(sums.Y), Z = Activate(sums.Z), W = Activate(sums.W) };
        GpuLoad.Store(Y, at, count, Vectors, sums);
    }

    private readonly float Activate(float value) =>
        Activation == (int)NativeDiffusion.Kernels.Activation.Relu ? IntrinsicMath.Max(value, 0f) : LanesMath.Silu(new LanesScalar(value)).Value;
}
