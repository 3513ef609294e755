using ILGPU;

namespace NativeDiffusion.Kernels;

/// <summary>How the pixels of one image see the pixels of another through the taps of a kernel.</summary>
internal interface IConvTaps
{
    /// <summary>A pixel that sees: where its window begins, and in Index the rows of the other image before its own image of the batch.</summary>
    GemmPlace Pixel(int pixel);

    /// <summary>A position in a window: how far the tap is from where the window begins, and in Index the channel.</summary>
    GemmPlace Position(int position);

    /// <summary>The position that <see cref="Position"/> gave.</summary>
    int Number(GemmPlace position);

    /// <summary>Where the other image has the value, or -1 if it has none.</summary>
    long Find(GemmPlace pixel, GemmPlace position);
}

/// <summary>Output pixels see the input; none in the padding.</summary>
internal struct ForwardTaps : IConvTaps
{
    public int Height, Width, Stride, Padding, LeftPadding;
    public Divisor Channels, KernelWidth, OutWidth, OutHeight;

    public static ForwardTaps Of(in Conv2dShape s) => new()
    {
        Height = s.Height,
        Width = s.Width,
        Stride = s.Stride,
        Padding = s.Padding,
        LeftPadding = s.LeftPadding,
        Channels = new Divisor(s.InChannels),
        KernelWidth = new Divisor(s.KernelWidth),
        OutWidth = new Divisor(s.OutWidth),
        OutHeight = new Divisor(s.OutHeight),
    };

    public readonly GemmPlace Pixel(int pixel)
    {
        int row = OutWidth.Divide(pixel), n = OutHeight.Divide(row);
        return new GemmPlace { Index = n * Height, Y = (row - n * OutHeight.Value) * Stride - Padding, X = (pixel - row * OutWidth.Value) * Stride - LeftPadding };
    }

    public readonly GemmPlace Position(int position)
    {
        int tap = Channels.Divide(position), a = KernelWidth.Divide(tap);
        return new GemmPlace { Index = position - tap * Channels.Value, Y = a, X = tap - a * KernelWidth.Value };
    }

    public readonly int Number(GemmPlace position) => (position.Y * KernelWidth.Value + position.X) * Channels.Value + position.Index;

    public readonly long Find(GemmPlace pixel, GemmPlace position)
    {
        int y = pixel.Y + position.Y, x = pixel.X + position.X;
        return (uint)y >= (uint)Height || (uint)x >= (uint)Width ? -1 : GpuLoad.At((pixel.Index + y) * Width + x, Channels.Value, position.Index);
    }
}

/// <summary>Input pixels see the output's gradient; none where the output ends or the stride steps over.</summary>
internal struct GradientTaps : IConvTaps
{
    public int OutHeight, OutWidth, Padding, LeftPadding;
    public Divisor Channels, KernelWidth, Width, Height, Stride;

    public static GradientTaps Of(in Conv2dShape s) => new()
    {
        OutHeight = s.OutHeight,
        OutWidth = s.OutWidth,
        Padding = s.Padding,
        LeftPadding = s.LeftPadding,
        Channels = new Divisor(s.OutChannels),
        KernelWidth = new Divisor(s.KernelWidth),
        Width = new Divisor(s.Width),
        Height = new Divisor(s.Height),
        Stride = new Divisor(s.Stride),
    };

    public readonly GemmPlace Pixel(int pixel)
    {
        int row = Width.Divide(pixel), n = Height.Divide(row);
        return new GemmPlace { Index = n * OutHeight, Y = row - n * Height.Value + Padding, X = pixel - row * Width.Value + LeftPadding };
    }

    // Backwards: the window begins at its last tap.
    public readonly GemmPlace Position(int position)
    {
        int tap = Channels.Divide(position), a = KernelWidth.Divide(tap);
        return new GemmPlace { Index = position - tap * Channels.Value, Y = -a, X = a * KernelWidth.Value - tap };
    }

    public readonly int Number(GemmPlace position) => position.Index - (position.Y * KernelWidth.Value + position.X) * Channels.Value;

    public readonly long Find(GemmPlace pixel, GemmPlace position)
    {
        int y = pixel.Y + position.Y, x = pixel.X + position.X;
        if (y < 0 || x < 0) return -1;
        int i = Stride.Divide(y), j = Stride.Divide(x);
        return i * Stride.Value != y || j * Stride.Value != x || i >= OutHeight || j >= OutWidth ? -1
            : GpuLoad.At((pixel.Index + i) * OutWidth + j, Channels.Value, position.Index);
    }
}

/// <summary>An image as windows: for every pixel of the other one the taps, and for every tap the channels.</summary>
internal struct ConvWindows<TTaps>
    where TTaps : struct, IConvTaps
{
    // Far above the image, whatever is added.
    private const int Nowhere = int.MinValue / 2;

    public ArrayView<float> Image;
    public TTaps Taps;
    public int Pixels, Length, Vectors;

    public readonly GemmPlace Pixel(int pixel) => pixel < Pixels ? Taps.Pixel(pixel) : new GemmPlace { Y = Nowhere };

    public readonly GemmPlace Position(int position) => position < Length ? Taps.Position(position) : new GemmPlace { Y = Nowhere };

    /// <summary>Four values from a position of a pixel's window on.</summary>
    public readonly F4 Four(GemmPlace pixel, GemmPlace position)
    {
        if (Vectors == 0) return One(pixel, position);
        long at = Taps.Find(pixel, position);
        return at < 0 ? default : GpuLoad.Vector(Image, at);
    }

    private readonly F4 One(GemmPlace pixel, GemmPlace position)
    {
        if (position.Y == Nowhere) return default;
        int next = Taps.Number(position);
        return new F4 { X = At(pixel, position), Y = At(pixel, Position(next + 1)), Z = At(pixel, Position(next + 2)), W = At(pixel, Position(next + 3)) };
    }

    private readonly float At(GemmPlace pixel, GemmPlace position)
    {
        long at = Taps.Find(pixel, position);
        return at < 0 ? 0 : Image[at];
    }
}

/// <summary>Rows: pixels; k: the values of their windows.</summary>
internal struct WindowRowsOperand<TTaps> : IGemmOperand
    where TTaps : struct, IConvTaps
{
    public ConvWindows<TTaps> Windows;

    public static int AlongK => 1;

    public readonly GemmPlace AtIndex(int index) => Windows.Pixel(index);

    public readonly GemmPlace AtK(int k) => Windows.Position(k);

    public readonly F4 Load(GemmPlace index, GemmPlace k) => Windows.Four(index, k);
}

/// <summary>Columns: the values of the input's windows; k: output pixels.</summary>
internal struct WindowColumnsOperand : IGemmOperand
{
    public ConvWindows<ForwardTaps> Windows;

    public static int AlongK => 0;

    public readonly GemmPlace AtIndex(int index) => Windows.Position(index);

    public readonly GemmPlace AtK(int k) => Windows.Pixel(k);

    public readonly F4 Load(GemmPlace index, GemmPlace k) => Windows.Four(k, index);
}

/// <summary>Columns: input channels; k: tap and output channel.</summary>
internal struct TapsOperand : IGemmOperand
{
    public ArrayView<float> Weight;
    public Divisor Outputs;
    public int Inputs, Taps, Depth, Vectors;

    public static int AlongK => 0;

    public readonly GemmPlace AtIndex(int index) => new() { Index = index };

    public readonly GemmPlace AtK(int k) => new() { Index = k };

    public readonly F4 Load(GemmPlace index, GemmPlace k)
    {
        if (k.Index >= Depth) return default;
        int tap = Outputs.Divide(k.Index), output = k.Index - tap * Outputs.Value;
        return GpuLoad.Four(Weight, GpuLoad.At(output * Taps + tap, Inputs, index.Index), Inputs - index.Index, Vectors);
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
        Activation == (int)NativeDiffusion.Kernels.Activation.Relu ? ScalarMath.Max(0f, value) : LanesMath.Silu(new LanesScalar(value)).Value;
}
