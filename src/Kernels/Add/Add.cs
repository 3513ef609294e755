namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y = a + b. y may be a or b.</summary>
    internal void Add(TensorView a, TensorView b, TensorView y);

    /// <summary>y += x. x may be y, which doubles it.</summary>
    internal void Accumulate(TensorView x, TensorView y);
}
