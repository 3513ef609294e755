using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    public void ReluForward(TensorView x, TensorView y) => Map(default(ReluFormula), x, y);

    /// <inheritdoc/>
    public void ReluBackward(TensorView x, TensorView dy, TensorView dx, bool accumulate) =>
        Map(default(ReluGradientFormula), x, dy, dx, accumulate);

    private readonly struct ReluFormula : IUnaryFormula
    {
        // This way round a NaN passes through instead of becoming 0.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Invoke<V>(V x)
            where V : unmanaged, ILanes<V> => V.SelectGreater(V.Zero, x, V.Zero, x);
    }

    private readonly struct ReluGradientFormula : IBinaryFormula
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Invoke<V>(V x, V dy)
            where V : unmanaged, ILanes<V> => V.SelectGreater(x, V.Zero, dy, V.Zero);
    }
}
