using ILGPU;

namespace NativeDiffusion.Kernels;

/// <summary>A matrix [index][k].</summary>
internal struct RowsOperand : IGemmOperand
{
    public ArrayView<float> Values;
    public int Count, Depth, Vectors;

    public static int AlongK => 1;

    public readonly GemmPlace AtIndex(int index) => new() { Index = index };

    public readonly GemmPlace AtK(int k) => new() { Index = k };

    public readonly F4 Load(GemmPlace index, GemmPlace k)
    {
        if (index.Index >= Count) return default;
        return GpuLoad.Four(Values, GpuLoad.At(index.Index, Depth, k.Index), Depth - k.Index, Vectors);
    }
}

/// <summary>A matrix [k][index].</summary>
internal struct ColumnsOperand : IGemmOperand
{
    public ArrayView<float> Values;
    public int Count, Depth, Vectors;

    public static int AlongK => 0;

    public readonly GemmPlace AtIndex(int index) => new() { Index = index };

    public readonly GemmPlace AtK(int k) => new() { Index = k };

    public readonly F4 Load(GemmPlace index, GemmPlace k)
    {
        if (k.Index >= Depth) return default;
        return GpuLoad.Four(Values, GpuLoad.At(k.Index, Count, index.Index), Count - index.Index, Vectors);
    }
}

/// <summary>A matrix [m][n], with a bias for every column, and perhaps added to what was there.</summary>
internal struct MatrixResult : IGemmResult
{
    public ArrayView<float> Values, Bias;
    public int Rows, Columns, HasBias, Accumulate, Vectors;

    public readonly void Store(int slice, int m, int n, F4 sums)
    {
        if (m >= Rows || n >= Columns) return;
        long at = (long)m * Columns + n;
        int count = Columns - n;
        if (HasBias != 0) sums = GpuLoad.Add(sums, GpuLoad.Four(Bias, n, count, Vectors));
        if (Accumulate != 0) sums = GpuLoad.Add(sums, GpuLoad.Four(Values, at, count, Vectors));
        GpuLoad.Store(Values, at, count, Vectors, sums);
    }
}

/// <summary>Slices of a sum, each a matrix [m][n] of its own, to be added up in order.</summary>
internal struct SlicesResult : IGemmResult
{
    public ArrayView<float> Values;
    public int Rows, Columns, Vectors;

    public readonly void Store(int slice, int m, int n, F4 sums)
    {
        if (m >= Rows || n >= Columns) return;
        GpuLoad.Store(Values, ((long)slice * Rows + m) * Columns + n, Columns - n, Vectors, sums);
    }
}

/// <summary>Four floats at once where memory allows it, and one by one elsewhere.</summary>
internal static class GpuLoad
{
    /// <summary>Where a row has a column. None of the three is negative: unsigned, it is one instruction, where signed products of 64 bits are six.</summary>
    public static long At(int row, int length, int column) => (long)((ulong)(uint)row * (uint)length + (uint)column);

    /// <summary>values[at .. at + 3], all there and on 128 bits.</summary>
    public static F4 Vector(ArrayView<float> values, long at) => values.Cast<F4>()[at >> 2];

    /// <summary>values[at .. at + 3], the first <paramref name="count"/> of them; zero in the rest.</summary>
    public static F4 Four(ArrayView<float> values, long at, int count, int vectors)
    {
        if (vectors != 0 && count >= 4) return Vector(values, at);
        var result = default(F4);
        if (count > 0) result.X = values[at];
        if (count > 1) result.Y = values[at + 1];
        if (count > 2) result.Z = values[at + 2];
        if (count > 3) result.W = values[at + 3];
        return result;
    }

    public static void Store(ArrayView<float> values, long at, int count, int vectors, F4 source)
    {
        if (vectors != 0 && count >= 4)
        {
            values.Cast<F4>()[at >> 2] = source;
            return;
        }
        values[at] = source.X;
        if (count > 1) values[at + 1] = source.Y;
        if (count > 2) values[at + 2] = source.Z;
        if (count > 3) values[at + 3] = source.W;
    }

    public static F4 Add(F4 a, F4 b) => new() { X = a.X + b.X, Y = a.Y + b.Y, Z = a.Z + b.Z, W = a.W + b.W };
}
