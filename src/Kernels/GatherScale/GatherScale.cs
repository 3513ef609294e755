namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// y[r, e] = scale * z[sourceRow[r], e]: the network's input for the doubled batch. A sampler in EDM scale has the scale c_in or
    /// 1 / sqrt(1 + sigma^2), one in variance-preserving scale 1, which copies the bits. sourceRow holds int32 bits, one per row of y.
    /// </summary>
    /// <exception cref="ArgumentException">A source row is out of range.</exception>
    void GatherScale(TensorView z, TensorView sourceRow, float scale, TensorView y);
}
