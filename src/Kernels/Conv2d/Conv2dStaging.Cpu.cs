using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

/// <summary>The virtual input of a convolution as pointers: see <see cref="Conv2dInput"/>.</summary>
internal unsafe struct ConvSource
{
    public float* X, X2;
    public float* Mean, Rstd, Gamma, Beta, ScaleShift;
    public int Channels, Channels1, Height, Width, Groups, Shift;
    public bool Silu;

    public static ConvSource Of(in Conv2dInput input, int height, int width, int channels) => new()
    {
        X = input.X.Pointer,
        X2 = input.X2.Pointer,
        Mean = input.NormMean.Pointer,
        Rstd = input.NormRstd.Pointer,
        Gamma = input.Gamma.Pointer,
        Beta = input.Beta.Pointer,
        ScaleShift = input.ScaleShift.Pointer,
        Channels = channels,
        Channels1 = input.X2.IsEmpty ? channels : input.X.Shape.Channels,
        Height = height,
        Width = width,
        Groups = input.Groups,
        Shift = input.Upsample ? 1 : 0,
        Silu = input.Silu,
    };

    public static ConvSource Plain(float* x, int height, int width, int channels) =>
        new() { X = x, Channels = channels, Channels1 = channels, Height = height, Width = width };

    /// <summary>True if the virtual input lies in memory as it is.</summary>
    public readonly bool IsPlain => X2 == null && Mean == null && !Silu && Shift == 0;

    /// <summary>Floats of scratch that <see cref="Stage{V}"/> uses for coefficients, rounded to whole cache lines.</summary>
    public readonly long CoefficientFloats => 3L * ((Channels + 31) & ~15);

    /// <summary>
    /// Writes rows y0 .. y0 + rows - 1 and columns x0 .. x0 + cols - 1 of image n to <paramref name="band"/>[rows][cols][channels], zero outside the
    /// image. <paramref name="coefficients"/> holds <see cref="CoefficientFloats"/> floats.
    /// </summary>
    public readonly void Stage<V>(int n, int y0, int rows, int x0, int cols, float* band, float* coefficients)
        where V : unmanaged, ILanes<V>
    {
        if (Mean != null) FillCoefficients(n, coefficients);
        int c = Channels;
        int left = Math.Clamp(-x0, 0, cols), right = Math.Clamp(Width - x0, left, cols);
        int previous = -1;
        for (int r = 0; r < rows; r++)
        {
            float* row = band + (nint)r * cols * c;
            int y = y0 + r;
            if ((uint)y >= (uint)Height || left == right)
            {
                Clear(row, (nint)cols * c);
                continue;
            }
            // Upsampled rows come in equal pairs.
            if (y >> Shift == previous)
            {
                Copy(row, row - (nint)cols * c, (nint)cols * c);
                continue;
            }
            previous = Shift == 0 ? -1 : y >> Shift;
            Clear(row, (nint)left * c);
            StageRow<V>(n, y, x0 + left, right - left, row + (nint)left * c, coefficients);
            Clear(row + (nint)right * c, (nint)(cols - right) * c);
        }
    }

    private readonly void StageRow<V>(int n, int y, int x0, int count, float* row, float* coefficients)
        where V : unmanaged, ILanes<V>
    {
        nint sourceRow = ((nint)n * (Height >> Shift) + (y >> Shift)) * (Width >> Shift);
        if (IsPlain)
        {
            Copy(row, X + (sourceRow + x0) * Channels, (nint)count * Channels);
            return;
        }
        if (Shift == 0)
        {
            StagePixels<V>(sourceRow + x0, count, row, Channels, coefficients);
            return;
        }
        int odd = x0 & 1, pairs = (count - odd + 1) / 2;
        if (odd != 0) StagePixels<V>(sourceRow + (x0 >> 1), 1, row, Channels, coefficients);
        float* even = row + odd * Channels;
        StagePixels<V>(sourceRow + ((x0 + odd) >> 1), pairs, even, 2 * (nint)Channels, coefficients);
        for (int i = 0; 2 * i + 1 < count - odd; i++) Copy(even + (2 * i + 1) * (nint)Channels, even + 2 * i * (nint)Channels, Channels);
    }

    private readonly void StagePixels<V>(nint pixel, int count, float* destination, nint step, float* coefficients)
        where V : unmanaged, ILanes<V>
    {
        if (count <= 0) return;
        int c2 = Channels - Channels1;
        Convert<V>(X + pixel * Channels1, Channels1, destination, step, coefficients, Channels1, count);
        if (c2 > 0) Convert<V>(X2 + pixel * c2, c2, destination + Channels1, step, coefficients + Channels1, c2, count);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Convert<V>(float* source, nint sourceStep, float* destination, nint step, float* coefficients, int channels, int count)
        where V : unmanaged, ILanes<V>
    {
        if (Mean == null && !Silu)
        {
            for (int i = 0; i < count; i++) Copy(destination + i * step, source + i * sourceStep, channels);
            return;
        }
        nint stride = (nint)(CoefficientFloats / 3);
        bool normalise = Mean != null, silu = Silu;
        int c = 0;
        for (; c <= channels - V.Count; c += V.Count)
        {
            V mean = V.Zero, factor = V.Broadcast(1), offset = V.Zero;
            if (normalise) (mean, factor, offset) = (V.Load(coefficients + c), V.Load(coefficients + stride + c), V.Load(coefficients + 2 * stride + c));
            float* s = source + c, d = destination + c;
            if (silu)
            {
                for (int i = 0; i < count; i++, s += sourceStep, d += step)
                    V.Store(d, LanesMath.Silu(V.MultiplyAdd(V.Load(s) - mean, factor, offset)));
            }
            else
            {
                for (int i = 0; i < count; i++, s += sourceStep, d += step)
                    V.Store(d, V.MultiplyAdd(V.Load(s) - mean, factor, offset));
            }
        }
        int rest = channels - c;
        if (rest == 0) return;
        for (int i = 0; i < count; i++)
        {
            V u = V.LoadPartial(source + i * sourceStep + c, rest);
            // The coefficients are followed by enough room for a whole vector.
            if (normalise)
                u = V.MultiplyAdd(u - V.Load(coefficients + c), V.Load(coefficients + stride + c), V.Load(coefficients + 2 * stride + c));
            V.StorePartial(destination + i * step + c, silu ? LanesMath.Silu(u) : u, rest);
        }
    }

    /// <summary>Mean, factor and offset of every channel of image n: u = (x - mean) factor + offset.</summary>
    private readonly void FillCoefficients(int n, float* coefficients)
    {
        nint stride = (nint)(CoefficientFloats / 3);
        int perGroup = Channels / Groups;
        for (int c = 0; c < Channels; c++)
        {
            int g = n * Groups + c / perGroup;
            float factor = Rstd[g] * (Gamma == null ? 1 : Gamma[c]), offset = Beta == null ? 0 : Beta[c];
            if (ScaleShift != null)
            {
                float* row = ScaleShift + (nint)n * 2 * Channels;
                float scale = 1 + row[c];
                factor *= scale;
                offset = offset * scale + row[Channels + c];
            }
            coefficients[c] = Mean[g];
            coefficients[stride + c] = factor;
            coefficients[2 * stride + c] = offset;
        }
    }

    private static void Clear(float* destination, nint count) => Unsafe.InitBlockUnaligned(destination, 0, (uint)(count * sizeof(float)));

    private static void Copy(float* destination, float* source, nint count) =>
        Buffer.MemoryCopy(source, destination, count * sizeof(float), count * sizeof(float));
}
