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

    private Tensor Resample(Tensor x, int axis, ResampleTable table)
    {
        var shape = axis == 1 ? new Shape(x.Shape[0], table.Outputs, x.Shape[2], x.Shape[3]) : new Shape(x.Shape[0], x.Shape[1], table.Outputs, x.Shape[3]);
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
