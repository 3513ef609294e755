using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

/// <summary>x sigmoid(1.702 x).</summary>
internal readonly struct QuickGeluFormula : IUnaryFormula
{
    public const float Slope = 1.702f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x)
        where V : unmanaged, ILanes<V> => x * LanesMath.Sigmoid(x * V.Broadcast(Slope));
}

/// <summary>dy times the derivative of <see cref="QuickGeluFormula"/>.</summary>
internal readonly struct QuickGeluGradientFormula : IBinaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x, V dy)
        where V : unmanaged, ILanes<V>
    {
        V u = x * V.Broadcast(QuickGeluFormula.Slope), s = LanesMath.Sigmoid(u), one = V.Broadcast(1f);
        return dy * s * V.MultiplyAdd(u, one - s, one);
    }
}
