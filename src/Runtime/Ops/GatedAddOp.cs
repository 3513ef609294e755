using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>y = x + gate h with a gate for each batch row and channel; see <see cref="IKernels.GatedAddForward"/>.</summary>
    /// <param name="x">[N,...,C].</param>
    /// <param name="gate">[N,C].</param>
    /// <param name="h">The shape of x.</param>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public Tensor GatedAdd(Tensor x, Tensor gate, Tensor h)
    {
        if (x.Shape.Rank < 2 || h.Shape != x.Shape || gate.Shape != new Shape(x.Shape.Batch, x.Shape.Channels))
            throw new ArgumentException($"GatedAdd takes x [N,...,C], a gate [N,C] and h of the shape of x; got {x}, {gate} and {h}.");
        var y = Temporary(x.Shape, "gatedAdd");
        Record(nameof(IKernels.GatedAddForward), [x, gate, h], [y], k => k.GatedAddForward(x.View, gate.View, h.View, y.View), 2.0 * x.Count);
        OnBackward([x, gate, h], y, dy =>
        {
            var (dh, addDh) = OptionalGradientTarget(h);
            var (dgate, addDgate) = OptionalGradientTarget(gate);
            if (dh is not null || dgate is not null)
                Record(nameof(IKernels.GatedAddBackward), [gate, h, dy], [dh, dgate],
                    k => k.GatedAddBackward(gate.View, h.View, dy.View, dh?.View ?? default, addDh, dgate?.View ?? default, addDgate), 3.0 * x.Count);
            PassGradient(dy, x);
        });
        return y;
    }
}
