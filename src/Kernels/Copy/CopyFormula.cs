namespace NativeDiffusion.Kernels;

/// <summary>x.</summary>
internal readonly struct IdentityFormula : IUnaryFormula
{
    public V Invoke<V>(V x)
        where V : unmanaged, ILanes<V> => x;
}
