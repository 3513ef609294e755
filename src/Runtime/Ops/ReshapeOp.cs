using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>The elements of x, in their order, under another shape. Nothing is copied: both tensors are the same memory.</summary>
    /// <exception cref="ArgumentException">The shapes differ in their number of elements.</exception>
    public Tensor Reshape(Tensor x, Shape shape)
    {
        if (shape.Count != x.Count)
            throw new ArgumentException($"Reshape keeps the number of elements: {x} has {x.Count} and {shape} has {shape.Count}.");
        var y = x.Alias(shape);
        OnBackward([x], y, dy => PassGradient(dy.Alias(x.Shape), x));
        return y;
    }
}
