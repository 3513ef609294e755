using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>Batch rows <paramref name="start"/> to <paramref name="start"/> + <paramref name="count"/> - 1 of x. Nothing is copied: they are x's memory.</summary>
    /// <exception cref="ArgumentException">x does not have them.</exception>
    public Tensor Rows(Tensor x, int start, int count)
    {
        if (x.Shape.Rank == 0 || start < 0 || count < 1 || start > x.Shape.Batch - count)
            throw new ArgumentException($"Rows takes rows {start} to {start + count - 1} of {x}, which it does not have.");
        if (count == x.Shape.Batch) return x;
        var y = x.AliasRows(start, count);
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            if (!accumulate) Record(nameof(IKernels.Fill), [], [dx], k => k.Fill(dx.View, 0f));
            Record(nameof(IKernels.Accumulate), [dy, dx], [dx], k => k.Accumulate(dy.View, dx.View.Rows(start, count)), dy.Count);
        });
        return y;
    }

    /// <summary>The rows of a, then those of b.</summary>
    /// <exception cref="ArgumentException">The other extents differ.</exception>
    public Tensor ConcatRows(Tensor a, Tensor b)
    {
        if (a.Shape.Rank == 0 || b.Shape.Rank == 0 || a.Shape.WithBatch(1) != b.Shape.WithBatch(1))
            throw new ArgumentException($"ConcatRows takes two tensors that differ in their rows only; got {a} and {b}.");
        int first = a.Shape.Batch, second = b.Shape.Batch;
        var y = Temporary(a.Shape.WithBatch(checked(first + second)), "concatRows");
        Record(nameof(IKernels.Copy), [a, b], [y], k =>
        {
            k.Copy(a.View, y.View.Rows(0, first));
            k.Copy(b.View, y.View.Rows(first, second));
        });
        OnBackward([a, b], y, dy =>
        {
            PassGradient(dy.AliasRows(0, first), a);
            PassGradient(dy.AliasRows(first, second), b);
        });
        return y;
    }
}
