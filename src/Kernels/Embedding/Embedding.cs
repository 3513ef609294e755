namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// y[n] = table[indices[n]]. An index outside the table is the caller's error; only the CPU notices it, with an
    /// <see cref="ArgumentOutOfRangeException"/>.
    /// </summary>
    /// <param name="indices">[N] int32 bit patterns, 0 to K - 1.</param>
    /// <param name="table">[K,D].</param>
    /// <param name="y">[N,D], written.</param>
    internal void EmbeddingForward(TensorView indices, TensorView table, TensorView y);

    /// <summary>dtable[indices[n]] += dy[n] for n = 0, 1, ... in that order; all of dtable is 0 before unless it is added to.</summary>
    internal void EmbeddingBackward(TensorView indices, TensorView dy, TensorView dtable, bool accumulate);
}
