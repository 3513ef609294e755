using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

/// <summary>x sigmoid(x (Linear + Cubic x^2)), as (1 + tanh(z)) / 2 = sigmoid(2z).</summary>
internal readonly struct GeluFormula : IUnaryFormula
{
    public const float Linear = 1.5957691216f, Cubic = Linear * 0.044715f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x)
        where V : unmanaged, ILanes<V> =>
        x * LanesMath.Sigmoid(x * V.MultiplyAdd(x * x, V.Broadcast(Cubic), V.Broadcast(Linear)));
}

/// <summary>dy times the derivative of <see cref="GeluFormula"/>.</summary>
internal readonly struct GeluGradientFormula : IBinaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x, V dy)
        where V : unmanaged, ILanes<V>
    {
        V square = x * x, one = V.Broadcast(1f);
        V s = LanesMath.Sigmoid(x * V.MultiplyAdd(square, V.Broadcast(GeluFormula.Cubic), V.Broadcast(GeluFormula.Linear)));
        V slope = x * V.MultiplyAdd(square, V.Broadcast(3 * GeluFormula.Cubic), V.Broadcast(GeluFormula.Linear));
        return dy * s * V.MultiplyAdd(slope, one - s, one);
    }
}
