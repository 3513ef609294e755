using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

/// <summary>x sigmoid(x).</summary>
internal readonly struct SiluFormula : IUnaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x)
        where V : unmanaged, ILanes<V> => x * LanesMath.Sigmoid(x);
}

/// <summary>dy sigmoid(x) (1 + x (1 - sigmoid(x))).</summary>
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
