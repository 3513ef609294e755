using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

/// <summary>log(1 + e^(beta x)) / beta.</summary>
internal readonly struct SoftplusFormula(float beta) : IUnaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x)
        where V : unmanaged, ILanes<V>
    {
        // log(1 + e^u) = max(u, 0) + log(1 + t) with t = e^-|u| in (0, 1], and log(1 + t) = 2 atanh(z) with z = t / (2 + t) up to 1/3:
        // an odd series in z, to the accuracy of a float with nine terms, and accurate where t is tiny.
        V u = x * V.Broadcast(beta), t = LanesMath.Exp(V.Zero - V.Abs(u)), z = t / (t + V.Broadcast(2f)), w = z * z;
        V p = V.MultiplyAdd(V.Broadcast(2f / 17), w, V.Broadcast(2f / 15));
        p = V.MultiplyAdd(p, w, V.Broadcast(2f / 13));
        p = V.MultiplyAdd(p, w, V.Broadcast(2f / 11));
        p = V.MultiplyAdd(p, w, V.Broadcast(2f / 9));
        p = V.MultiplyAdd(p, w, V.Broadcast(2f / 7));
        p = V.MultiplyAdd(p, w, V.Broadcast(2f / 5));
        p = V.MultiplyAdd(p, w, V.Broadcast(2f / 3));
        p = V.MultiplyAdd(p, w, V.Broadcast(2f));
        V y = V.MultiplyAdd(z * p, V.Broadcast(1 / beta), V.Max(V.Zero, x));
        return V.SelectGreater(u, V.Broadcast(20f), x, y);
    }
}

/// <summary>dy sigmoid(beta x).</summary>
internal readonly struct SoftplusGradientFormula(float beta) : IBinaryFormula
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Invoke<V>(V x, V dy)
        where V : unmanaged, ILanes<V> => dy * LanesMath.Sigmoid(x * V.Broadcast(beta));
}
