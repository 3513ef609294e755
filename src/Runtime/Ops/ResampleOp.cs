using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>Images of another size, [N,H,W,C] to [N,H',W',C]: rows by one table and columns by the other; see <see cref="IKernels.Resample"/>.</summary>
    /// <param name="x">[N,H,W,C].</param>
    /// <param name="rows">From H to H', for example <see cref="ResampleTable.Cubic"/>.</param>
    /// <param name="columns">From W to W'.</param>
    /// <exception cref="ArgumentException">The tables are for another size.</exception>
    public Tensor Resize(Tensor x, ResampleTable rows, ResampleTable columns)
    {
        if (x.Shape.Rank != 4 || rows.Inputs != x.Shape[1] || columns.Inputs != x.Shape[2])
            throw new ArgumentException($"Resize from {rows.Inputs} rows and {columns.Inputs} columns takes images [N,H,W,C] of that size; got {x}.");
        return Resample(Resample(x, 1, rows), 2, columns);
    }

    /// <summary>Samples along one axis from those of x by a table: a slice, a padding, a pooling, a sum.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="axis">The axis.</param>
    /// <param name="table">From its extent to that of the result.</param>
    /// <exception cref="ArgumentException">x has no such axis, or another extent.</exception>
    public Tensor Resample(Tensor x, int axis, ResampleTable table)
    {
        if ((uint)axis >= (uint)x.Shape.Rank || x.Shape[axis] != table.Inputs)
            throw new ArgumentException($"Resample of {table.Inputs} samples along axis {axis} does not go with {x}.");
        var shape = Shape.Of([.. Enumerable.Range(0, x.Shape.Rank).Select(i => i == axis ? table.Outputs : x.Shape[i])]);
        var y = Temporary(shape, "resized");
        double flops = 2.0 * y.Count * table.Taps;
        Record(nameof(IKernels.Resample), [x], [y], k => k.Resample(x.View, axis, table, y.View, accumulate: false), flops);
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            Record(nameof(IKernels.Resample), [dy], [dx], k => k.Resample(dy.View, axis, table.Transposed, dx.View, accumulate), flops);
        });
        return y;
    }
}
