using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

/// <summary>1 / (1 + e^-x).</summary>
internal readonly struct SigmoidFormula : IUnaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x)
        where V : unmanaged, ILanes<V> => LanesMath.Sigmoid(x);
}

/// <summary>dy s (1 - s).</summary>
internal readonly struct SigmoidGradientFormula : IBinaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x, V dy)
        where V : unmanaged, ILanes<V>
    {
        // Of |x|, where 1 - s keeps its digits.
        V e = LanesMath.Exp(V.Zero - V.Abs(x)), s = V.Broadcast(1f) / (V.Broadcast(1f) + e);
        return dy * e * s * s;
    }
}

/// <summary>e^x.</summary>
internal readonly struct ExpFormula : IUnaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x)
        where V : unmanaged, ILanes<V> => LanesMath.Exp(x);
}

/// <summary>dy e^x.</summary>
internal readonly struct ExpGradientFormula : IBinaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x, V dy)
        where V : unmanaged, ILanes<V> => dy * LanesMath.Exp(x);
}

/// <summary>sqrt(x).</summary>
internal readonly struct SqrtFormula : IUnaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x)
        where V : unmanaged, ILanes<V> => V.Sqrt(x);
}

/// <summary>dy / (2 sqrt(x)).</summary>
internal readonly struct SqrtGradientFormula : IBinaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x, V dy)
        where V : unmanaged, ILanes<V> => dy * V.Broadcast(0.5f) / V.Sqrt(x);
}

/// <summary>1 / x.</summary>
internal readonly struct ReciprocalFormula : IUnaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x)
        where V : unmanaged, ILanes<V> => V.Broadcast(1f) / x;
}

/// <summary>-dy / x^2.</summary>
internal readonly struct ReciprocalGradientFormula : IBinaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x, V dy)
        where V : unmanaged, ILanes<V> => V.Zero - dy / (x * x);
}

/// <summary>|x|.</summary>
internal readonly struct AbsFormula : IUnaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x)
        where V : unmanaged, ILanes<V> => V.Abs(x);
}

/// <summary>dy by the sign of x.</summary>
internal readonly struct AbsGradientFormula : IBinaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x, V dy)
        where V : unmanaged, ILanes<V> => V.SelectGreater(x, V.Zero, dy, V.SelectGreater(V.Zero - x, V.Zero, V.Zero - dy, V.Zero));
}

/// <summary>erf(x).</summary>
internal readonly struct ErfFormula : IUnaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x)
        where V : unmanaged, ILanes<V> => LanesMath.Erf(x);
}

/// <summary>dy 2 / sqrt(pi) e^(-x^2).</summary>
internal readonly struct ErfGradientFormula : IBinaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x, V dy)
        where V : unmanaged, ILanes<V> => dy * V.Broadcast(1.128379167f) * LanesMath.Exp(V.Zero - x * x);
}

/// <summary>x Phi(x).</summary>
internal readonly struct ExactGeluFormula : IUnaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x)
        where V : unmanaged, ILanes<V> => V.Broadcast(0.5f) * x * (V.Broadcast(1f) + LanesMath.Erf(x * V.Broadcast(0.7071067812f)));
}

/// <summary>dy (Phi(x) + x phi(x)) with the normal density phi.</summary>
internal readonly struct ExactGeluGradientFormula : IBinaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x, V dy)
        where V : unmanaged, ILanes<V>
    {
        V half = V.Broadcast(0.5f), below = V.MultiplyAdd(half, LanesMath.Erf(x * V.Broadcast(0.7071067812f)), half);
        return dy * V.MultiplyAdd(x * V.Broadcast(0.3989422804f), LanesMath.Exp(V.Zero - half * x * x), below);
    }
}

/// <summary>x above 0, else alpha x.</summary>
internal struct LeakyReluFormula : IUnaryFormula
{
    public float Alpha;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly V Invoke<V>(V x)
        where V : unmanaged, ILanes<V> => V.SelectGreater(x, V.Zero, x, x * V.Broadcast(Alpha));
}

/// <summary>dy above 0, else alpha dy.</summary>
internal struct LeakyReluGradientFormula : IBinaryFormula
{
    public float Alpha;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly V Invoke<V>(V x, V dy)
        where V : unmanaged, ILanes<V> => V.SelectGreater(x, V.Zero, dy, dy * V.Broadcast(Alpha));
}

/// <summary>x above 0, else alpha (e^x - 1).</summary>
internal struct EluFormula : IUnaryFormula
{
    public float Alpha;

    // e^x - 1 by 1 - e^-|x|, which keeps its digits near 0.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly V Invoke<V>(V x)
        where V : unmanaged, ILanes<V> => V.SelectGreater(x, V.Zero, x, V.Zero - V.Broadcast(Alpha) * LanesMath.OneMinusExpMinus(V.Abs(x)));
}

/// <summary>dy above 0, else dy alpha e^x.</summary>
internal struct EluGradientFormula : IBinaryFormula
{
    public float Alpha;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly V Invoke<V>(V x, V dy)
        where V : unmanaged, ILanes<V> => V.SelectGreater(x, V.Zero, dy, dy * V.Broadcast(Alpha) * LanesMath.Exp(V.Zero - V.Abs(x)));
}
