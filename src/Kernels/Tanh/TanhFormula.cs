using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

/// <summary>tanh(x) = 2 sigmoid(2 x) - 1, within 2e-7.</summary>
internal readonly struct TanhFormula : IUnaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x)
        where V : unmanaged, ILanes<V> => V.MultiplyAdd(V.Broadcast(2f), LanesMath.Sigmoid(x + x), V.Broadcast(-1f));
}

/// <summary>dy times the derivative of <see cref="TanhFormula"/>: 4 s (1 - s) with s = sigmoid(2 x).</summary>
internal readonly struct TanhGradientFormula : IBinaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x, V dy)
        where V : unmanaged, ILanes<V>
    {
        V s = LanesMath.Sigmoid(x + x);
        return dy * V.Broadcast(4f) * s * (V.Broadcast(1f) - s);
    }
}
