using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    public void Scale(TensorView x, float factor, TensorView y, bool accumulate) => Map(new ScaleFormula(factor), x, y, accumulate);

    private readonly struct ScaleFormula(float factor) : IUnaryFormula
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Invoke<V>(V x)
            where V : unmanaged, ILanes<V> => x * V.Broadcast(factor);
    }
}
