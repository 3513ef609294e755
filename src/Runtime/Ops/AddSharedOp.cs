using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>One tensor added to every batch row of x; see <see cref="IKernels.AddShared"/>.</summary>
    /// <param name="x">[N,...].</param>
    /// <param name="shared">As many elements as a batch row of x, in their order.</param>
    /// <exception cref="ArgumentException">The number of elements does not fit.</exception>
    public Tensor AddShared(Tensor x, Tensor shared)
    {
        if (x.Shape.Rank == 0 || shared.Count != x.Shape.RowCount)
            throw new ArgumentException($"AddShared adds {x.Shape.RowCount} elements to every row of {x}; got {shared}.");
        if (AreShared(out var rows, x)) return Share(_steps.Count, AddShared(x.GatheredFrom!, shared), rows);
        var y = Temporary(x.Shape, "addShared");
        var row = x.Shape.WithBatch(1);
        Record(nameof(IKernels.AddShared), [x, shared], [y], k => k.AddShared(x.View, shared.View.Reshape(row), y.View), x.Count);
        OnBackward([x, shared], y, dy =>
        {
            if (NeedsGradient(shared))
            {
                var (dshared, accumulate) = GradientTarget(shared);
                Record(nameof(IKernels.BatchSum), [dy], [dshared], k => k.BatchSum(dy.View, dshared.View, accumulate), x.Count);
            }
            PassGradient(dy, x);
        });
        return y;
    }
}
