using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

/// <summary>max(x, 0).</summary>
internal readonly struct ReluFormula : IUnaryFormula
{
    // This way round a NaN passes through instead of becoming 0.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x)
        where V : unmanaged, ILanes<V> => V.Max(V.Zero, x);
}

/// <summary>dy where x is above 0.</summary>
internal readonly struct ReluGradientFormula : IBinaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x, V dy)
        where V : unmanaged, ILanes<V> => V.SelectGreater(x, V.Zero, dy, V.Zero);
}
