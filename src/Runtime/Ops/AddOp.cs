using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>y = a + b, two tensors of one shape.</summary>
    /// <exception cref="ArgumentException">The shapes differ.</exception>
    public Tensor Add(Tensor a, Tensor b)
    {
        if (a.Shape != b.Shape) throw new ArgumentException($"Add takes two tensors of one shape; got {a} and {b}.");
        if (AreShared(out var rows, a, b)) return Share(_steps.Count, Add(a.GatheredFrom!, b.GatheredFrom!), rows);
        var y = Temporary(a.Shape, "add");
        Record(nameof(IKernels.Add), [a, b], [y], k => k.Add(a.View, b.View, y.View), y.Count);
        OnBackward([a, b], y, dy =>
        {
            PassGradient(dy, a);
            PassGradient(dy, b);
        });
        return y;
    }
}
