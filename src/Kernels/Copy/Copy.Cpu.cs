namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.Copy(TensorView x, TensorView y) => Map(default(IdentityFormula), x, y);

    /// <inheritdoc/>
    void IKernels.Fill(TensorView y, float value) => Map(new ConstantFormula(value), y, y);

    /// <summary>The same value everywhere.</summary>
    private readonly struct ConstantFormula(float value) : IUnaryFormula
    {
        public V Invoke<V>(V x)
            where V : unmanaged, ILanes<V> => V.Broadcast(value);
    }
}
