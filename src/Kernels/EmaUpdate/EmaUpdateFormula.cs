using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

/// <summary>mean + rest (value - mean).</summary>
internal readonly struct MoveTowardsFormula(float rest) : IBinaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V value, V mean)
        where V : unmanaged, ILanes<V> => V.MultiplyAdd(V.Broadcast(rest), value - mean, mean);
}
