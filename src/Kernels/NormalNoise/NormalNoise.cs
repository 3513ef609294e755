namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// y[n, e] = scale * <see cref="Philox.Normal"/>(seed, sampleIndex[n], step, stream, e): standard normal noise by row, in float32. A
    /// row depends
    /// on its own sample index only. sampleIndex holds int32 bits, one per batch row of y.
    /// </summary>
    internal void NormalNoise(ulong seed, uint step, RandomStream stream, float scale, TensorView sampleIndex, TensorView y);
}
