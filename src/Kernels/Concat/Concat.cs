namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y = [a, b] along the channels: y[..., :Ca] = a, y[..., Ca:] = b.</summary>
    internal void ConcatForward(TensorView a, TensorView b, TensorView y);

    /// <summary>da = dy[..., :Ca], and then db = dy[..., Ca:]. Either may be empty; they may be one tensor if db is added to.</summary>
    /// <param name="dy">[...,Ca+Cb].</param>
    /// <param name="da">[...,Ca] or empty.</param>
    /// <param name="accumulateDa">Whether da is added to.</param>
    /// <param name="db">[...,Cb] or empty.</param>
    /// <param name="accumulateDb">Whether db is added to.</param>
    internal void ConcatBackward(TensorView dy, TensorView da, bool accumulateDa, TensorView db, bool accumulateDb);
}
