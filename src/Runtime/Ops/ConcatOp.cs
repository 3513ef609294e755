using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>[a, b] along the channels: [...,Ca] and [...,Cb] to [...,Ca+Cb].</summary>
    /// <exception cref="ArgumentException">The other extents differ.</exception>
    public Tensor Concat(Tensor a, Tensor b)
    {
        if (a.Shape.Rank == 0 || b.Shape.Rank == 0 || a.Shape.WithChannels(1) != b.Shape.WithChannels(1))
            throw new ArgumentException($"Concat takes two tensors that differ in their channels only; got {a} and {b}.");
        if (AreShared(out var rows, a, b)) return Share(_steps.Count, Concat(a.GatheredFrom!, b.GatheredFrom!), rows);
        var y = Temporary(a.Shape.WithChannels(a.Shape.Channels + b.Shape.Channels), "concat");
        Record(nameof(IKernels.ConcatForward), [a, b], [y], k => k.ConcatForward(a.View, b.View, y.View));
        OnBackward([a, b], y, dy =>
        {
            var (da, addDa) = OptionalGradientTarget(a);
            var (db, addDb) = OptionalGradientTarget(b);
            Record(nameof(IKernels.ConcatBackward), [dy], [da, db],
                k => k.ConcatBackward(dy.View, da?.View ?? default, addDa, db?.View ?? default, addDb));
        });
        return y;
    }
}
