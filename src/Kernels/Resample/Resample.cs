namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// y[o,i,c] = sum over t of weight[i,t] x[o, first[i] + t, c], samples along one axis from those of the other tensor: one direction of a separable
    /// resize or, by the transposed table, of its gradient.
    /// </summary>
    /// <param name="x">Any shape; what comes before the axis is o, what comes after it c.</param>
    /// <param name="axis">The axis.</param>
    /// <param name="table">The weights; <see cref="ResampleTable.Inputs"/> is x's extent.</param>
    /// <param name="y">The shape of x, but for the axis, which has <see cref="ResampleTable.Outputs"/>.</param>
    /// <param name="accumulate">Whether y is added to.</param>
    internal void Resample(TensorView x, int axis, ResampleTable table, TensorView y, bool accumulate);
}
