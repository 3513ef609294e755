namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y[n] = 1 where sum(values[n] weights[n]) &lt;= bound, else 0, as int32 bits; 1 where the sum is no number. The sum is taken in double.</summary>
    /// <param name="values">[N,...].</param>
    /// <param name="weights">The shape of values.</param>
    /// <param name="bound">The greatest sum that counts.</param>
    /// <param name="y">[N], written.</param>
    internal void RowsAtMost(TensorView values, TensorView weights, double bound, TensorView y);
}
