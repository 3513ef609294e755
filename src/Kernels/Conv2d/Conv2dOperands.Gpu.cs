using ILGPU;

namespace NativeDiffusion.Kernels;

/// <summary>The extents that a kernel needs to find a tap.</summary>
internal struct ConvGeometry
{
    public int Height, Width, Inputs, OutHeight, OutWidth, Outputs, KernelWidth, Stride, Padding;

    public static ConvGeometry Of(in Conv2dShape s) => new()
    {
        Height = s.Height,
        Width = s.Width,
        Inputs = s.InChannels,
        OutHeight = s.OutHeight,
        OutWidth = s.OutWidth,
        Outputs = s.OutChannels,
        KernelWidth = s.KernelWidth,
        Stride = s.Stride,
        Padding = s.Padding,
    };

    /// <summary>Input pixel that output pixel <paramref name="pixel"/> sees through a tap, or -1 in the padding.</summary>
    public readonly int InputPixel(int pixel, int tap)
    {
        int row = pixel / OutWidth, j = pixel - row * OutWidth, n = row / OutHeight, i = row - n * OutHeight;
        int a = tap / KernelWidth, y = i * Stride + a - Padding, x = j * Stride + tap - a * KernelWidth - Padding;
        return y < 0 || y >= Height || x < 0 || x >= Width ? -1 : (n * Height + y) * Width + x;
    }

    /// <summary>Output pixel that sees input pixel <paramref name="pixel"/> through a tap, or -1 if none does.</summary>
    public readonly int OutputPixel(int pixel, int tap)
    {
        int row = pixel / Width, x = pixel - row * Width, n = row / Height, y = row - n * Height, a = tap / KernelWidth;
        int i = y + Padding - a, j = x + Padding - (tap - a * KernelWidth);
        if (i < 0 || j < 0 || i % Stride != 0 || j % Stride != 0) return -1;
        i /= Stride;
        j /= Stride;
        return i >= OutHeight || j >= OutWidth ? -1 : (n * OutHeight + i) * OutWidth + j;
    }
}

/// <summary>Rows: output pixels; k: tap and input channel.</summary>
internal struct WindowOperand : IGemmOperand
{
    public ArrayView<float> Image;
    public ConvGeometry Geometry;
    public int Count, Depth, Vectors;

    public static int AlongK => 1;

    public readonly F4 Load(int index, int k)
    {
        if (index >= Count || k >= Depth) return default;
        if (Vectors != 0)
        {
            int tap = k / Geometry.Inputs, pixel = Geometry.InputPixel(index, tap);
            return pixel < 0 ? default : Image.Cast<F4>()[((long)pixel * Geometry.Inputs + k - tap * Geometry.Inputs) / 4];
        }
        return new F4 { X = At(index, k), Y = At(index, k + 1), Z = At(index, k + 2), W = At(index, k + 3) };
    }

    private readonly float At(int index, int k)
    {
        if (k >= Depth) return 0;
        int tap = k / Geometry.Inputs, pixel = Geometry.InputPixel(index, tap);
        return pixel < 0 ? 0 : Image[(long)pixel * Geometry.Inputs + k - tap * Geometry.Inputs];
    }
}

/// <summary>Columns: tap and input channel; k: output pixels.</summary>
internal struct WindowColumnsOperand : IGemmOperand
{
    public ArrayView<float> Image;
    public ConvGeometry Geometry;
    public int Count, Depth, Vectors;

    public static int AlongK => 0;

    public readonly F4 Load(int index, int k)
    {
        if (index >= Count || k >= Depth) return default;
        if (Vectors != 0)
        {
            int tap = index / Geometry.Inputs, pixel = Geometry.InputPixel(k, tap);
            return pixel < 0 ? default : Image.Cast<F4>()[((long)pixel * Geometry.Inputs + index - tap * Geometry.Inputs) / 4];
        }
        return new F4 { X = At(index, k), Y = At(index + 1, k), Z = At(index + 2, k), W = At(index + 3, k) };
    }

    private readonly float At(int index, int k)
    {
        if (index >= Count) return 0;
        int tap = index / Geometry.Inputs, pixel = Geometry.InputPixel(k, tap);
        return pixel < 0 ? 0 : Image[(long)pixel * Geometry.Inputs + index - tap * Geometry.Inputs];
    }
}

/// <summary>Rows: input pixels; k: tap and output channel.</summary>
internal struct GradWindowOperand : IGemmOperand
{
    public ArrayView<float> Grad;
    public ConvGeometry Geometry;
    public int Count, Depth, Vectors;

    public static int AlongK => 1;

    public readonly F4 Load(int index, int k)
    {
        if (index >= Count || k >= Depth) return default;
        if (Vectors != 0)
        {
            int tap = k / Geometry.Outputs, pixel = Geometry.OutputPixel(index, tap);
            return pixel < 0 ? default : Grad.Cast<F4>()[((long)pixel * Geometry.Outputs + k - tap * Geometry.Outputs) / 4];
        }
        return new F4 { X = At(index, k), Y = At(index, k + 1), Z = At(index, k + 2), W = At(index, k + 3) };
    }

    private readonly float At(int index, int k)
    {
        if (k >= Depth) return 0;
        int tap = k / Geometry.Outputs, pixel = Geometry.OutputPixel(index, tap);
        return pixel < 0 ? 0 : Grad[(long)pixel * Geometry.Outputs + k - tap * Geometry.Outputs];
    }
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
