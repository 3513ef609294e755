namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y = x, element by element; the shapes need only have the same count.</summary>
    internal void Copy(TensorView x, TensorView y);

    /// <summary>Every element of y = value.</summary>
    internal void Fill(TensorView y, float value);
}
