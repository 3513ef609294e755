using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    public void GeluForward(TensorView x, TensorView y) => Map(default(GeluFormula), x, y);

    /// <inheritdoc/>
    public void GeluBackward(TensorView x, TensorView dy, TensorView dx, bool accumulate) =>
        Map(default(GeluGradientFormula), x, dy, dx, accumulate);

    // (1 + tanh(z)) / 2 = sigmoid(2z): with the factors below y = x * sigmoid(x * (GeluLinear + GeluCubic * x^2)).
    private const float GeluLinear = 1.5957691216f, GeluCubic = GeluLinear * 0.044715f;

    internal readonly struct GeluFormula : IUnaryFormula
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Invoke<V>(V x)
            where V : unmanaged, ILanes<V> =>
            x * LanesMath.Sigmoid(x * V.MultiplyAdd(x * x, V.Broadcast(GeluCubic), V.Broadcast(GeluLinear)));
    }

    internal readonly struct GeluGradientFormula : IBinaryFormula
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Invoke<V>(V x, V dy)
            where V : unmanaged, ILanes<V>
        {
            V square = x * x, one = V.Broadcast(1f);
            V s = LanesMath.Sigmoid(x * V.MultiplyAdd(square, V.Broadcast(GeluCubic), V.Broadcast(GeluLinear)));
            V slope = x * V.MultiplyAdd(square, V.Broadcast(3 * GeluCubic), V.Broadcast(GeluLinear));
            return dy * s * V.MultiplyAdd(slope, one - s, one);
        }
    }
}
