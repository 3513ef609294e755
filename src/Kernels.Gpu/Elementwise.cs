using ILGPU;

namespace NativeDiffusion.Kernels;

// The drivers for element-wise ops; the formulas are those of the CPU, over lanes of the four floats that a thread takes.
internal sealed partial class GpuKernels
{
    /// <summary>y = f(x), or y += f(x). y may be x.</summary>
    private void Map<TFormula>(TFormula formula, TensorView x, TensorView y, bool accumulate = false)
        where TFormula : unmanaged, IUnaryFormula =>
        LaunchFours(new UnaryKernel<TFormula> { Formula = formula, X = View(x), Y = View(y), Accumulate = accumulate ? 1 : 0, Vectors = InVectors(4, x, y) }, y);

    /// <summary>y = f(a, b), or y += f(a, b). y may be a or b.</summary>
    private void Map<TFormula>(TFormula formula, TensorView a, TensorView b, TensorView y, bool accumulate = false)
        where TFormula : unmanaged, IBinaryFormula =>
        LaunchFours(new BinaryKernel<TFormula> { Formula = formula, A = View(a), B = View(b), Y = View(y), Accumulate = accumulate ? 1 : 0, Vectors = InVectors(4, a, b, y) }, y);

    /// <summary>Starts a kernel of one thread for every four elements.</summary>
    private void LaunchFours<TKernel>(in TKernel kernel, TensorView y)
        where TKernel : struct, IGpuKernel => LaunchEach(kernel, (y.Count + 3) / 4);
}

internal struct UnaryKernel<TFormula> : IGpuKernel
    where TFormula : unmanaged, IUnaryFormula
{
    public TFormula Formula;
    public ArrayView<float> X, Y;
    public int Accumulate, Vectors;

    public readonly void Run()
    {
        long at = 4 * ((long)Grid.IdxX * Group.DimX + Group.IdxX);
        if (at >= Y.Length) return;
        int count = (int)IntrinsicMath.Min(4L, Y.Length - at);
        var value = Formula.Invoke(new LanesFour(GpuLoad.Four(X, at, count, Vectors)));
        if (Accumulate != 0) value = new LanesFour(GpuLoad.Four(Y, at, count, Vectors)) + value;
        GpuLoad.Store(Y, at, count, Vectors, value.Values);
    }
}

internal struct BinaryKernel<TFormula> : IGpuKernel
    where TFormula : unmanaged, IBinaryFormula
{
    public TFormula Formula;
    public ArrayView<float> A, B, Y;
    public int Accumulate, Vectors;

    public readonly void Run()
    {
        long at = 4 * ((long)Grid.IdxX * Group.DimX + Group.IdxX);
        if (at >= Y.Length) return;
        int count = (int)IntrinsicMath.Min(4L, Y.Length - at);
        var value = Formula.Invoke(new LanesFour(GpuLoad.Four(A, at, count, Vectors)), new LanesFour(GpuLoad.Four(B, at, count, Vectors)));
        if (Accumulate != 0) value = new LanesFour(GpuLoad.Four(Y, at, count, Vectors)) + value;
        GpuLoad.Store(Y, at, count, Vectors, value.Values);
    }
}
