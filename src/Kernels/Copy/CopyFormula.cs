namespace NativeDiffusion.Kernels;

/// <summary>x.</summary>
internal readonly struct IdentityFormula : IUnaryFormula
{
    public V Invoke<V>(V x)
        where V : unmanaged, ILanes<V> => x;
}

/// <summary>The same value everywhere.</summary>
internal readonly struct ConstantFormula(float value) : IUnaryFormula
{
    public V Invoke<V>(V x)
        where V : unmanaged, ILanes<V> => V.Broadcast(value);
}
