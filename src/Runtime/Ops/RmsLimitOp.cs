using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>
    /// y[n] = x[n] / max(1, rms(x[n])); see <see cref="IKernels.RmsLimit"/>. It has no gradient: guidance takes its gradient towards y.
    /// </summary>
    /// <param name="x">[N,...].</param>
    /// <exception cref="ArgumentException">x is a scalar.</exception>
    public Tensor RmsLimit(Tensor x)
    {
        if (x.Shape.Rank == 0) throw new ArgumentException($"RmsLimit takes samples [N,...]; got {x}.");
        var y = Temporary(x.Shape, "limited");
        Record(nameof(IKernels.RmsLimit), [x], [y], k => k.RmsLimit(x.View, y.View), 3.0 * x.Count);
        RefuseGradient(nameof(RmsLimit), [x], y);
        return y;
    }
}
