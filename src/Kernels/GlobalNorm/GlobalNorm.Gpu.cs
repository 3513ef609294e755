using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void GlobalNorm(TensorView x, TensorView result) => Sum(new SquareTerm { X = View(x) }, 1, x.Count, 1, true, result);
}

/// <summary>x^2.</summary>
internal struct SquareTerm : ISumTerm
{
    public ArrayView<float> X;

    public readonly double At(long index)
    {
        double x = X[index];
        return x * x;
    }
}
