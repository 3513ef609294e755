using System.Runtime.CompilerServices;
using ILGPU;

namespace NativeDiffusion.Kernels;

/// <summary>An element of a result from those of up to two tensors; its fields keep what belongs to a channel of a row.</summary>
internal interface IColumnFormula
{
    void Begin(int row, int channel);

    float Invoke(float x, float z);
}

/// <summary>y = f(x, z), or that is added, for formulas whose constants belong to a channel of a row: four channels for each thread.</summary>
internal struct ColumnMapKernel<TFormula> : IGpuKernel
    where TFormula : struct, IColumnFormula
{
    public TFormula Formula;
    public ArrayView<float> X, Z, Y;
    public ColumnTile Tile;
    public int HasX, HasZ, Accumulate, Vectors;

    public readonly void Run()
    {
        int channel = Tile.Channel, count = Tile.Channels - channel;
        if (count <= 0) return;
        var formulas = new ColumnFours<TFormula> { X = Formula, Y = Formula, Z = Formula, W = Formula };
        formulas.Begin(Tile.Row, channel, count);
        int p = Tile.First, end = Tile.End, lanes = Tile.Lanes;
        long at = Tile.At(p), step = (long)lanes * Tile.Channels;
        // All loads before the stores: y may be an input, so the compiler may not move them there.
        for (; p < end - lanes; p += 2 * lanes, at += 2 * step)
        {
            F4 a = Value(formulas, at, count), b = Value(formulas, at + step, count);
            GpuLoad.Store(Y, at, count, Vectors, a);
            GpuLoad.Store(Y, at + step, count, Vectors, b);
        }
        if (p < end) GpuLoad.Store(Y, at, count, Vectors, Value(formulas, at, count));
    }

    private readonly F4 Value(in ColumnFours<TFormula> formulas, long at, int count)
    {
        F4 x = default, z = default;
        if (HasX != 0) x = GpuLoad.Four(X, at, count, Vectors);
        if (HasZ != 0) z = GpuLoad.Four(Z, at, count, Vectors);
        var value = formulas.Invoke(x, z);
        return Accumulate != 0 ? GpuLoad.Add(GpuLoad.Four(Y, at, count, Vectors), value) : value;
    }
}

/// <summary>The formulas of four neighbouring channels.</summary>
internal struct ColumnFours<TFormula>
    where TFormula : struct, IColumnFormula
{
    public TFormula X, Y, Z, W;

    /// <summary>For the channels that there are.</summary>
    public void Begin(int row, int channel, int count)
    {
        X.Begin(row, channel);
        if (count > 1) Y.Begin(row, channel + 1);
        if (count > 2) Z.Begin(row, channel + 2);
        if (count > 3) W.Begin(row, channel + 3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly F4 Invoke(F4 x, F4 z) => new() { X = X.Invoke(x.X, z.X), Y = Y.Invoke(x.Y, z.Y), Z = Z.Invoke(x.Z, z.Z), W = W.Invoke(x.W, z.W) };
}

internal sealed partial class GpuKernels
{
    /// <summary>y = f(x, z), or y += f(x, z), over [rows, positions, channels]; x and z may be left out, and y may be one of them.</summary>
    private void MapColumns<TFormula>(int rows, TFormula formula, TensorView x, TensorView z, TensorView y, bool accumulate = false)
        where TFormula : struct, IColumnFormula
    {
        int channels = y.Shape.Channels;
        var tile = ColumnTile.Of(y.Count / channels / rows, channels, unit: 4);
        var kernel = new ColumnMapKernel<TFormula>
        {
            Formula = formula,
            X = View(x),
            Z = View(z),
            Y = View(y),
            Tile = tile,
            HasX = x.IsEmpty ? 0 : 1,
            HasZ = z.IsEmpty ? 0 : 1,
            Accumulate = accumulate ? 1 : 0,
            Vectors = InVectors(channels, x, z, y),
        };
        Launch(kernel, (long)rows * tile.Bands, Slabs(tile));
    }
}
