using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

/// <summary>factor x.</summary>
internal readonly struct ScaleFormula(float factor) : IUnaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x)
        where V : unmanaged, ILanes<V> => x * V.Broadcast(factor);
}
