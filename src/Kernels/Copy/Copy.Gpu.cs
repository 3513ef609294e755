using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void Copy(TensorView x, TensorView y) => Map(default(IdentityFormula), x, y);

    /// <inheritdoc/>
    public void Fill(TensorView y, float value) =>
        LaunchFours(new FillKernel { Y = View(y), Value = value, Vectors = InVectors(4, y) }, y);
}

internal struct FillKernel : IGpuKernel
{
    public ArrayView<float> Y;
    public float Value;
    public int Vectors;

    public readonly void Run()
    {
        long at = 4 * ((long)Grid.IdxX * Group.DimX + Group.IdxX);
        if (at >= Y.Length) return;
        int count = (int)IntrinsicMath.Min(4L, Y.Length - at);
        GpuLoad.Store(Y, at, count, Vectors, LanesFour.Broadcast(Value).Values);
    }
}
