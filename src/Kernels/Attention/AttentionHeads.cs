using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

/// <summary>
/// Where the queries, the keys or the values of every head lie: element (n, head, token, channel) is at
/// <c>Start + n * Batch + head * Head + token * Token + channel * Channel</c>. Each source has its own, so that they need not share a tensor.
/// </summary>
internal readonly unsafe struct AttentionHeads(float* start, nint batch, nint head, nint token, nint channel, int tokens)
{
    private const int CacheLine = 16;

    public readonly float* Start = start;
    public readonly nint Batch = batch, Head = head, Token = token, Channel = channel;
    public readonly int Tokens = tokens;

    /// <summary>Queries (0), keys (1) or values (2) inside [N, T, 3C].</summary>
    public static AttentionHeads Of(TensorView qkv, int heads, QkvOrder order, int which)
    {
        int tokens = qkv.Shape[1], channels = qkv.Shape[2] / 3, headDim = channels / heads;
        nint token = 3 * (nint)channels;
        nint batch = tokens * token;
        return order switch
        {
            QkvOrder.PerHead => new(qkv.Pointer + which * headDim, batch, 3 * headDim, token, 1, tokens),
            QkvOrder.Split => new(qkv.Pointer + which * channels, batch, headDim, token, 1, tokens),
            QkvOrder.Innermost => new(qkv.Pointer + which, batch, 3 * headDim, token, 3, tokens),
            _ => throw new ArgumentOutOfRangeException(nameof(order), order, "Not a channel order of qkv."),
        };
    }

    /// <summary>A tensor [N, T, C] whose channels are head by head.</summary>
    public static AttentionHeads Of(TensorView y, int heads)
    {
        int tokens = y.Shape[1], channels = y.Shape[2];
        return new(y.Pointer, (nint)tokens * channels, channels / heads, channels, 1, tokens);
    }

    /// <summary>
    /// Asks for the lines of some tokens at once. A head's tokens lie a whole row apart, where no stream detector finds them, and products would
    /// wait for a few of them at a time.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public void Prefetch(int n, int head, int token, int tokens, int headDim)
    {
        if (!Sse.IsSupported) return;
        float* row = At(n, head) + token * Token;
        for (int t = 0; t < tokens; t++)
        {
            for (nint c = 0; c < headDim * Channel; c += CacheLine) Sse.Prefetch0(row + c);
            row += Token;
        }
    }

    public float* At(int n, int head) => Start + n * Batch + head * Head;

    /// <summary>
    /// Copies <paramref name="tokens"/> tokens with tokens in lanes: destination[channel * stride + token]. Tokens up to the next multiple of
    /// the lane count become zero.
    /// </summary>
    public void LoadTransposed<V>(float* source, int tokens, int headDim, float* destination, nint stride)
        where V : unmanaged, ILanes<V>
    {
        if (tokens % V.Count != 0)
            for (nint c = 0; c < headDim; c++)
                V.Store(destination + c * stride + tokens / V.Count * V.Count, V.Zero);
        if (Channel == 1)
        {
            Transposition.Run(source, Token, tokens, headDim, destination, stride);
            return;
        }
        for (nint t = 0; t < tokens; t++)
            for (nint c = 0; c < headDim; c++)
                destination[c * stride + t] = source[t * Token + c * Channel];
    }

    /// <summary>Copies tokens with channels in lanes, scaled: destination[token * stride + channel], zero in the last vector's rest.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public void LoadRows<V>(float* source, int tokens, int headDim, float scale, float* destination, nint stride)
        where V : unmanaged, ILanes<V>
    {
        V factor = V.Broadcast(scale);
        for (nint t = 0; t < tokens; t++)
        {
            float* from = source + t * Token;
            float* to = destination + t * stride;
            for (int c = 0; c < headDim; c += V.Count)
            {
                int count = Math.Min(V.Count, headDim - c);
                if (Channel == 1)
                {
                    V.Store(to + c, (count == V.Count ? V.Load(from + c) : V.LoadPartial(from + c, count)) * factor);
                    continue;
                }
                for (int i = 0; i < V.Count; i++) to[c + i] = i < count ? from[(c + i) * Channel] * scale : 0;
            }
        }
    }

    /// <summary>Writes, or adds, rows that have channels in lanes, scaled: the reverse of <see cref="LoadRows"/>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public void StoreRows<V>(float* source, nint stride, int tokens, int headDim, float scale, float* destination, bool accumulate)
        where V : unmanaged, ILanes<V>
    {
        for (nint t = 0; t < tokens; t++)
        {
            float* from = source + t * stride;
            float* to = destination + t * Token;
            if (Channel == 1) StoreRow<V>(from, headDim, scale, to, accumulate);
            else if (accumulate)
                for (nint c = 0; c < headDim; c++) to[c * Channel] += from[c] * scale;
            else
                for (nint c = 0; c < headDim; c++) to[c * Channel] = from[c] * scale;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreRow<V>(float* from, int count, float scale, float* to, bool accumulate)
        where V : unmanaged, ILanes<V>
    {
        V factor = V.Broadcast(scale);
        int c = 0;
        for (; c + V.Count <= count; c += V.Count)
        {
            V value = V.Load(from + c) * factor;
            V.Store(to + c, accumulate ? V.Load(to + c) + value : value);
        }
        if (c == count) return;
        V tail = V.Load(from + c) * factor;
        V.StorePartial(to + c, accumulate ? V.LoadPartial(to + c, count - c) + tail : tail, count - c);
    }
}
