using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>Row by row, that of a where select is not 0, else that of b. It has no gradient.</summary>
    /// <param name="select">int32 bits, [N].</param>
    /// <param name="a">[N,...].</param>
    /// <param name="b">The shape of a.</param>
    /// <param name="y">Written; may be a or b. A new tensor when left out.</param>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public Tensor SelectRows(Tensor select, Tensor a, Tensor b, Tensor? y = null)
    {
        CheckPerRow(nameof(SelectRows), a, select);
        foreach (var tensor in new[] { b, y })
            if (tensor is not null && tensor.Shape != a.Shape)
                throw new ArgumentException($"SelectRows: {tensor} must have the shape of {a}.");
        var to = y ?? Temporary(a.Shape, "selected");
        Record(nameof(IKernels.SelectRows), [select, a, b], [to], k => k.SelectRows(select.View, a.View, b.View, to.View));
        RefuseGradient(nameof(SelectRows), [a, b], to);
        return to;
    }
}
