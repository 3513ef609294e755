using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

/// <summary>min(max(x, low), high); a NaN passes through.</summary>
internal struct ClampFormula : IUnaryFormula
{
    public float Low, High;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly V Invoke<V>(V x)
        where V : unmanaged, ILanes<V> => V.Min(V.Broadcast(High), V.Max(V.Broadcast(Low), x));
}

/// <summary>dy where x is not beyond a bound.</summary>
internal struct ClampGradientFormula : IBinaryFormula
{
    public float Low, High;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly V Invoke<V>(V x, V dy)
        where V : unmanaged, ILanes<V> =>
        V.SelectGreater(x, V.Broadcast(High), V.Zero, V.SelectGreater(V.Broadcast(Low), x, V.Zero, dy));
}
