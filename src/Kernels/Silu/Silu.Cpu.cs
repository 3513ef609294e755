using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    public void SiluForward(TensorView x, TensorView y) => Map(default(SiluFormula), x, y);

    /// <inheritdoc/>
    public void SiluBackward(TensorView x, TensorView dy, TensorView dx, bool accumulate) =>
        Map(default(SiluGradientFormula), x, dy, dx, accumulate);

    internal readonly struct SiluFormula : IUnaryFormula
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Invoke<V>(V x)
            where V : unmanaged, ILanes<V> => x * LanesMath.Sigmoid(x);
    }

    internal readonly struct SiluGradientFormula : IBinaryFormula
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Invoke<V>(V x, V dy)
            where V : unmanaged, ILanes<V>
        {
            V s = LanesMath.Sigmoid(x), one = V.Broadcast(1f);
            return dy * s * V.MultiplyAdd(x, one - s, one);
        }
    }
}
