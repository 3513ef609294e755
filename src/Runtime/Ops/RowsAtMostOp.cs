using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>Which rows have sum(values[n] weights[n]) &lt;= bound: 1 or 0 as int32 bits, [N], for <see cref="SelectRows"/> or <see cref="Adam"/>. It has no gradient.</summary>
    /// <param name="values">[N,...].</param>
    /// <param name="weights">The shape of values.</param>
    /// <param name="bound">The greatest sum that counts.</param>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public Tensor RowsAtMost(Tensor values, Tensor weights, double bound)
    {
        if (values.Shape.Rank == 0 || weights.Shape != values.Shape)
            throw new ArgumentException($"RowsAtMost takes rows [N,...] and weights of their shape; got {values} and {weights}.");
        var y = Temporary(new Shape(values.Shape.Batch), "rowsAtMost");
        Record(nameof(IKernels.RowsAtMost), [values, weights], [y], k => k.RowsAtMost(values.View, weights.View, bound, y.View), 2.0 * values.Count);
        RefuseGradient(nameof(RowsAtMost), [values, weights], y);
        return y;
    }
}
