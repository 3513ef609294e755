using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>The batch twice over, [N,...] to [2N,...]: row n of x is row n and row N + n of the result.</summary>
    /// <exception cref="ArgumentException">x is a scalar.</exception>
    public Tensor BroadcastDoubled(Tensor x)
    {
        if (x.Shape.Rank == 0) throw new ArgumentException($"BroadcastDoubled takes a tensor with a batch; got {x}.");
        int rows = x.Shape.Batch;
        var y = Temporary(x.Shape.WithBatch(2 * rows), "doubled");
        Record(nameof(IKernels.Copy), [x], [y], k =>
        {
            k.Copy(x.View, y.View.Rows(0, rows));
            k.Copy(x.View, y.View.Rows(rows, rows));
        });
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            if (!accumulate)
            {
                Record(nameof(IKernels.Add), [dy], [dx], k => k.Add(dy.View.Rows(0, rows), dy.View.Rows(rows, rows), dx.View), x.Count);
                return;
            }
            Record(nameof(IKernels.Accumulate), [dy, dx], [dx], k =>
            {
                k.Accumulate(dy.View.Rows(0, rows), dx.View);
                k.Accumulate(dy.View.Rows(rows, rows), dx.View);
            }, 2.0 * x.Count);
        });
        return y;
    }
}
