using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void OneHot(TensorView labels, TensorView y) =>
        LaunchEach(new OneHotKernel { Labels = Indices(labels), Y = View(y), Classes = y.Shape.Channels }, y.Count);
}

internal struct OneHotKernel : IGpuKernel
{
    public ArrayView<int> Labels;
    public ArrayView<float> Y;
    public int Classes;

    public readonly void Run()
    {
        long i = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (i >= Y.Length) return;
        long n = i / Classes;
        Y[i] = Labels[n] == i - n * Classes ? 1f : 0f;
    }
}
