namespace NativeDiffusion.Kernels;

/// <summary>a + b.</summary>
internal readonly struct AddFormula : IBinaryFormula
{
    public V Invoke<V>(V a, V b)
        where V : unmanaged, ILanes<V> => a + b;
}
