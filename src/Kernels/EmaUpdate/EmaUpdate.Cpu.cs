using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    public void EmaUpdate(TensorView values, double decay, TensorView average) =>
        Map(new MoveTowardsFormula((float)(1 - decay)), values, average, average);

    private readonly struct MoveTowardsFormula(float rest) : IBinaryFormula
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Invoke<V>(V value, V mean)
            where V : unmanaged, ILanes<V> => V.MultiplyAdd(V.Broadcast(rest), value - mean, mean);
    }
}
