namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    public void Add(TensorView a, TensorView b, TensorView y) => Map(default(SumFormula), a, b, y);

    /// <inheritdoc/>
    public void Accumulate(TensorView x, TensorView y) => Map(default(IdentityFormula), x, y, accumulate: true);

    private readonly struct SumFormula : IBinaryFormula
    {
        public V Invoke<V>(V a, V b)
            where V : unmanaged, ILanes<V> => a + b;
    }
}
