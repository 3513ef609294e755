using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void FourierEmbedding(TensorView t, TensorView frequencies, TensorView y) =>
        LaunchEach(new FourierEmbeddingKernel { T = View(t), Frequencies = View(frequencies), Y = View(y) }, y.Count);
}

internal struct FourierEmbeddingKernel : IGpuKernel
{
    public ArrayView<float> T, Frequencies, Y;

    public readonly void Run()
    {
        long at = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (at >= Y.Length) return;
        long half = Frequencies.Length, n = at / (2 * half), i = at - n * 2 * half;
        int sine = i >= half ? 1 : 0;
        Y[at] = ScalarMath.Wave((double)T[n] * Frequencies[i - sine * half], sine);
    }
}
