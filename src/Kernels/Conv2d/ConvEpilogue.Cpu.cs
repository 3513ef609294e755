using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

/// <summary>
/// What is done to results after they were stored, while they are in the cache: formulas too long for the places where tiles store, whose loops would be the slower.
/// </summary>
internal enum ConvFinish
{
    None,

    /// <summary>y = softplus(y).</summary>
    Softplus,

    /// <summary>A gradient behind a softplus becomes that in front of it.</summary>
    SoftplusGradient,

    /// <summary>The same for ReLU.</summary>
    ReluGradient,
}

/// <summary>What a convolution does to a row of sums on the way out, as pointers: see <see cref="Conv2dEpilogue"/>.</summary>
internal unsafe struct ConvEpilogue
{
    public float* Bias, Embedding, Residual, Y, Activated;
    public int Channels;
    public Activation Activation;
    public ConvFinish Finish;
    public float Beta;

    /// <summary>Whether sums of zero change what is stored already.</summary>
    public readonly bool Changes => Residual != Y || Finish != ConvFinish.None;

    /// <summary>Stores <paramref name="count"/> channels from <paramref name="channel"/> of one pixel; sums are readable up to a whole vector.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Store<V>(float* sums, nint pixel, nint image, nint channel, int count)
        where V : unmanaged, ILanes<V>
    {
        nint at = pixel * Channels + channel;
        for (; count >= V.Count; count -= V.Count, sums += V.Count, channel += V.Count, at += V.Count)
            StoreShifted(V.Load(sums) + Shift<V>(image, channel), at);
        if (count > 0) StoreTail(V.Load(sums), at, image, channel, count);
    }

    /// <summary>What is added to every pixel of one image: bias + embedding.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly V Shift<V>(nint image, nint channel)
        where V : unmanaged, ILanes<V>
    {
        V shift = V.Zero;
        if (Bias != null) shift += V.Load(Bias + channel);
        if (Embedding != null) shift += V.Load(Embedding + image * Channels + channel);
        return shift;
    }

    /// <summary>The rest of the epilogue, for sums to which the shift was added.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void StoreShifted<V>(V u, nint at)
        where V : unmanaged, ILanes<V>
    {
        if (Residual != null) u += V.Load(Residual + at);
        if (Activation != Activation.None) u = Activate(u);
        V.Store(Y + at, u);
    }

    public readonly void StoreTail<V>(V u, nint at, nint image, nint channel, int count)
        where V : unmanaged, ILanes<V>
    {
        V shift = V.Zero;
        if (Bias != null) shift += V.LoadPartial(Bias + channel, count);
        if (Embedding != null) shift += V.LoadPartial(Embedding + image * Channels + channel, count);
        u += shift;
        if (Residual != null) u += V.LoadPartial(Residual + at, count);
        if (Activation != Activation.None) u = Activate(u);
        V.StorePartial(Y + at, u, count);
    }

    public readonly void StoreScalar<V>(float u, nint pixel, nint image, nint channel)
        where V : unmanaged, ILanes<V>
    {
        nint at = pixel * Channels + channel;
        float shift = 0;
        if (Bias != null) shift += Bias[channel];
        if (Embedding != null) shift += Embedding[image * Channels + channel];
        u += shift;
        if (Residual != null) u += Residual[at];
        if (Activation == Activation.None) Y[at] = u;
        else V.StorePartial(Y + at, Activate(V.Broadcast(u)), 1);
    }

    private readonly V Activate<V>(V u)
        where V : unmanaged, ILanes<V> => Activation == Activation.Relu ? V.Max(u, V.Zero) : LanesMath.Silu(u);

    /// <summary>What is left to do to some channels of consecutive pixels that were stored.</summary>
    public readonly void FinishPixels<V>(nint pixel, nint count, nint channel, int channels)
        where V : unmanaged, ILanes<V>
    {
        nint at = pixel * Channels + channel;
        // Pixels of which all channels are meant are one run.
        (nint runs, nint length) = channels == Channels ? ((nint)1, count * channels) : (count, (nint)channels);
        switch (Finish)
        {
            case ConvFinish.Softplus: FinishRuns<V, StoredSoftplus>(new(new(Beta)), Y, at, runs, length); break;
            case ConvFinish.SoftplusGradient: FinishRuns<V, SoftplusGradientFormula>(new(Beta), Activated, at, runs, length); break;
            default: FinishRuns<V, ReluGradientFormula>(default, Activated, at, runs, length); break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void FinishRuns<V, TFormula>(TFormula formula, float* other, nint at, nint runs, nint length)
        where V : unmanaged, ILanes<V>
        where TFormula : unmanaged, IBinaryFormula
    {
        int rest = (int)(length % V.Count);
        for (nint run = 0; run < runs; run++, at += Channels)
        {
            float* y = Y + at, o = other + at, end = y + (length - rest);
            for (; y < end; y += V.Count, o += V.Count) V.Store(y, formula.Invoke(V.Load(o), V.Load(y)));
            if (rest > 0) V.StorePartial(y, formula.Invoke(V.LoadPartial(o, rest), V.LoadPartial(y, rest)), rest);
        }
    }

    private readonly struct StoredSoftplus(SoftplusFormula formula) : IBinaryFormula
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Invoke<V>(V other, V stored)
            where V : unmanaged, ILanes<V> => formula.Invoke(stored);
    }
}
