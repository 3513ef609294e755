using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void AddShared(TensorView x, TensorView shared, TensorView y) =>
        LaunchEach(new AddSharedKernel { X = View(x), Shared = View(shared), Y = View(y) }, y.Count);

    /// <inheritdoc/>
    public void BatchSum(TensorView x, TensorView y, bool accumulate) =>
        LaunchEach(new BatchSumKernel { X = View(x), Y = View(y), Accumulate = accumulate ? 1 : 0 }, y.Count);
}

internal struct AddSharedKernel : IGpuKernel
{
    public ArrayView<float> X, Shared, Y;

    public readonly void Run()
    {
        long i = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (i < Y.Length) Y[i] = X[i] + Shared[i % Shared.Length];
    }
}

internal struct BatchSumKernel : IGpuKernel
{
    public ArrayView<float> X, Y;
    public int Accumulate;

    public readonly void Run()
    {
        long i = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (i >= Y.Length) return;
        float sum = 0;
        for (long at = i; at < X.Length; at += Y.Length) sum += X[at];
        Y[i] = Accumulate != 0 ? Y[i] + sum : sum;
    }
}
