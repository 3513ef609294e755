namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y = factor * x, or y += factor * x. y may be x when it does not accumulate.</summary>
    internal void Scale(TensorView x, float factor, TensorView y, bool accumulate);
}
