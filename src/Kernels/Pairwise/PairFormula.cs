using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

/// <summary>A formula of two operands and, for gradients, dy.</summary>
internal interface IPairFormula
{
    V Invoke<V>(V a, V b, V dy)
        where V : unmanaged, ILanes<V>;
}

internal readonly struct PairAdd : IPairFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V a, V b, V dy)
        where V : unmanaged, ILanes<V> => a + b;
}

internal readonly struct PairSubtract : IPairFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V a, V b, V dy)
        where V : unmanaged, ILanes<V> => a - b;
}

internal readonly struct PairMultiply : IPairFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V a, V b, V dy)
        where V : unmanaged, ILanes<V> => a * b;
}

internal readonly struct PairDivide : IPairFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V a, V b, V dy)
        where V : unmanaged, ILanes<V> => a / b;
}

internal readonly struct PairMax : IPairFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V a, V b, V dy)
        where V : unmanaged, ILanes<V> => V.SelectGreater(a, b, a, b);
}

internal readonly struct PairMin : IPairFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V a, V b, V dy)
        where V : unmanaged, ILanes<V> => V.SelectGreater(b, a, a, b);
}

/// <summary>-dy: a difference's gradient towards b.</summary>
internal readonly struct PairNegated : IPairFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V a, V b, V dy)
        where V : unmanaged, ILanes<V> => V.Zero - dy;
}

/// <summary>dy b: a product's gradient towards a.</summary>
internal readonly struct PairMultiplyFirst : IPairFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V a, V b, V dy)
        where V : unmanaged, ILanes<V> => dy * b;
}

/// <summary>dy a.</summary>
internal readonly struct PairMultiplySecond : IPairFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V a, V b, V dy)
        where V : unmanaged, ILanes<V> => dy * a;
}

/// <summary>dy / b.</summary>
internal readonly struct PairDivideFirst : IPairFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V a, V b, V dy)
        where V : unmanaged, ILanes<V> => dy / b;
}

/// <summary>-dy a / b^2.</summary>
internal readonly struct PairDivideSecond : IPairFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V a, V b, V dy)
        where V : unmanaged, ILanes<V> => V.Zero - dy * (a / b) / b;
}

/// <summary>dy where a is the larger one.</summary>
internal readonly struct PairWhereAbove : IPairFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V a, V b, V dy)
        where V : unmanaged, ILanes<V> => V.SelectGreater(a, b, dy, V.Zero);
}

/// <summary>dy where a is not the larger one.</summary>
internal readonly struct PairWhereNotAbove : IPairFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V a, V b, V dy)
        where V : unmanaged, ILanes<V> => V.SelectGreater(a, b, V.Zero, dy);
}

/// <summary>dy where a is the smaller one.</summary>
internal readonly struct PairWhereBelow : IPairFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V a, V b, V dy)
        where V : unmanaged, ILanes<V> => V.SelectGreater(b, a, dy, V.Zero);
}

/// <summary>dy where a is not the smaller one.</summary>
internal readonly struct PairWhereNotBelow : IPairFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V a, V b, V dy)
        where V : unmanaged, ILanes<V> => V.SelectGreater(b, a, V.Zero, dy);
}
