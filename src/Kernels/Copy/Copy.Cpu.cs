namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    public void Copy(TensorView x, TensorView y) => Map(default(IdentityFormula), x, y);

    /// <inheritdoc/>
    public void Fill(TensorView y, float value) => Map(new ConstantFormula(value), y, y);

    /// <summary>The same value everywhere.</summary>
    private readonly struct ConstantFormula(float value) : IUnaryFormula
    {
        public V Invoke<V>(V x)
            where V : unmanaged, ILanes<V> => V.Broadcast(value);
    }
}
