using System.Runtime.CompilerServices;
using ILGPU;

namespace NativeDiffusion.Kernels;

/// <summary>One thread's part of a 64 x 64 block: eight rows of four, as named fields because only these stay in registers.</summary>
internal struct AttentionSums
{
    public F4 A0, A1, A2, A3, A4, A5, A6, A7;

    /// <summary>Adds the products of eight rows and four columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(F4 low, F4 high, F4 columns)
    {
        Add(ref A0, low.X, columns);
        Add(ref A1, low.Y, columns);
        Add(ref A2, low.Z, columns);
        Add(ref A3, low.W, columns);
        Add(ref A4, high.X, columns);
        Add(ref A5, high.Y, columns);
        Add(ref A6, high.Z, columns);
        Add(ref A7, high.W, columns);
    }

    /// <summary>Multiplies each row by a number of its own.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Multiply(F4 low, F4 high)
    {
        A0 = Times(A0, low.X);
        A1 = Times(A1, low.Y);
        A2 = Times(A2, low.Z);
        A3 = Times(A3, low.W);
        A4 = Times(A4, high.X);
        A5 = Times(A5, high.Y);
        A6 = Times(A6, high.Z);
        A7 = Times(A7, high.W);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Multiply(float factor)
    {
        var factors = new F4 { X = factor, Y = factor, Z = factor, W = factor };
        Multiply(factors, factors);
    }

    /// <summary>Subtracts from each row a number of its own.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void SubtractRows(F4 low, F4 high)
    {
        A0 = Minus(A0, low.X);
        A1 = Minus(A1, low.Y);
        A2 = Minus(A2, low.Z);
        A3 = Minus(A3, low.W);
        A4 = Minus(A4, high.X);
        A5 = Minus(A5, high.Y);
        A6 = Minus(A6, high.Z);
        A7 = Minus(A7, high.W);
    }

    /// <summary>Subtracts from each column a number of its own.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void SubtractColumns(F4 columns)
    {
        A0 = Minus(A0, columns);
        A1 = Minus(A1, columns);
        A2 = Minus(A2, columns);
        A3 = Minus(A3, columns);
        A4 = Minus(A4, columns);
        A5 = Minus(A5, columns);
        A6 = Minus(A6, columns);
        A7 = Minus(A7, columns);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Exponentiate()
    {
        A0 = Exp(A0);
        A1 = Exp(A1);
        A2 = Exp(A2);
        A3 = Exp(A3);
        A4 = Exp(A4);
        A5 = Exp(A5);
        A6 = Exp(A6);
        A7 = Exp(A7);
    }

    /// <summary>
    /// Makes all columns but the first <paramref name="count"/> so low that their exponentials, at most 2e-38, vanish beside any of the others.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void HideColumns(int count)
    {
        if (count >= 4) return;
        Hide(ref A0, count);
        Hide(ref A1, count);
        Hide(ref A2, count);
        Hide(ref A3, count);
        Hide(ref A4, count);
        Hide(ref A5, count);
        Hide(ref A6, count);
        Hide(ref A7, count);
    }

    /// <summary>The same for the columns after each row's own, in a block whose rows and columns are the same tokens.</summary>
    public void HideLaterColumns()
    {
        int own = 4 * (AttentionBlocks.Row - AttentionBlocks.Column), high = own + AttentionBlocks.Tokens / 2;
        HideAfter(ref A0, own);
        HideAfter(ref A1, own + 1);
        HideAfter(ref A2, own + 2);
        HideAfter(ref A3, own + 3);
        HideAfter(ref A4, high);
        HideAfter(ref A5, high + 1);
        HideAfter(ref A6, high + 2);
        HideAfter(ref A7, high + 3);
    }

    /// <summary>The same for the columns before each row's own.</summary>
    public void HideEarlierColumns()
    {
        int own = 4 * (AttentionBlocks.Row - AttentionBlocks.Column), high = own + AttentionBlocks.Tokens / 2;
        HideBefore(ref A0, own);
        HideBefore(ref A1, own + 1);
        HideBefore(ref A2, own + 2);
        HideBefore(ref A3, own + 3);
        HideBefore(ref A4, high);
        HideBefore(ref A5, high + 1);
        HideBefore(ref A6, high + 2);
        HideBefore(ref A7, high + 3);
    }

    /// <summary>The highest value of each of the first four rows.</summary>
    public readonly F4 HighestLow() => new() { X = Highest(A0), Y = Highest(A1), Z = Highest(A2), W = Highest(A3) };

    /// <summary>The highest value of each of the other rows.</summary>
    public readonly F4 HighestHigh() => new() { X = Highest(A4), Y = Highest(A5), Z = Highest(A6), W = Highest(A7) };

    /// <summary>The sum of each of the first four rows.</summary>
    public readonly F4 SumLow() => new() { X = Sum(A0), Y = Sum(A1), Z = Sum(A2), W = Sum(A3) };

    /// <summary>The sum of each of the other rows.</summary>
    public readonly F4 SumHigh() => new() { X = Sum(A4), Y = Sum(A5), Z = Sum(A6), W = Sum(A7) };

    /// <summary>Writes, or adds, what belongs to tokens and channels that exist.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Store(GpuHeads target, long head, int token, int channel, int accumulate)
    {
        int c = channel + 4 * AttentionBlocks.Column, low = token + 4 * AttentionBlocks.Row, high = low + AttentionBlocks.Tokens / 2;
        target.Store(head, low, c, A0, accumulate);
        target.Store(head, low + 1, c, A1, accumulate);
        target.Store(head, low + 2, c, A2, accumulate);
        target.Store(head, low + 3, c, A3, accumulate);
        target.Store(head, high, c, A4, accumulate);
        target.Store(head, high + 1, c, A5, accumulate);
        target.Store(head, high + 2, c, A6, accumulate);
        target.Store(head, high + 3, c, A7, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(ref F4 sums, float a, F4 b)
    {
        sums.X = a * b.X + sums.X;
        sums.Y = a * b.Y + sums.Y;
        sums.Z = a * b.Z + sums.Z;
        sums.W = a * b.W + sums.W;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Hide(ref F4 row, int count)
    {
        if (count < 1) row.X = float.MinValue;
        if (count < 2) row.Y = float.MinValue;
        if (count < 3) row.Z = float.MinValue;
        row.W = float.MinValue;
    }

    private static void HideAfter(ref F4 row, int own)
    {
        if (own < 3) Hide(ref row, own + 1);
    }

    private static void HideBefore(ref F4 row, int own)
    {
        if (own > 0) row.X = float.MinValue;
        if (own > 1) row.Y = float.MinValue;
        if (own > 2) row.Z = float.MinValue;
        if (own > 3) row.W = float.MinValue;
    }

    private static F4 Times(F4 a, float b) => new() { X = a.X * b, Y = a.Y * b, Z = a.Z * b, W = a.W * b };

    private static F4 Minus(F4 a, float b) => new() { X = a.X - b, Y = a.Y - b, Z = a.Z - b, W = a.W - b };

    private static F4 Minus(F4 a, F4 b) => new() { X = a.X - b.X, Y = a.Y - b.Y, Z = a.Z - b.Z, W = a.W - b.W };

    private static F4 Exp(F4 x) => new() { X = Exp(x.X), Y = Exp(x.Y), Z = Exp(x.Z), W = Exp(x.W) };

    private static float Exp(float x) => LanesMath.Exp(new LanesScalar(x)).Value;

    private static float Highest(F4 row) => LanesFour.MaxElement(new LanesFour(row));

    private static float Sum(F4 row) => row.X + row.Y + (row.Z + row.W);
}

/// <summary>One thread's part of 64 rows of up to 256 channels.</summary>
internal struct AttentionRows
{
    public AttentionSums Part0, Part1, Part2, Part3;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Multiply<TWidth>(F4 low, F4 high)
        where TWidth : struct, IAttentionWidth
    {
        Part0.Multiply(low, high);
        if (TWidth.Parts > 1) Part1.Multiply(low, high);
        if (TWidth.Parts > 2) Part2.Multiply(low, high);
        if (TWidth.Parts > 3) Part3.Multiply(low, high);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store<TWidth>(GpuHeads target, long head, int token, int channel, int accumulate)
        where TWidth : struct, IAttentionWidth
    {
        Part0.Store(target, head, token, channel, accumulate);
        if (TWidth.Parts > 1) Part1.Store(target, head, token, channel + AttentionBlocks.Width, accumulate);
        if (TWidth.Parts > 2) Part2.Store(target, head, token, channel + 2 * AttentionBlocks.Width, accumulate);
        if (TWidth.Parts > 3) Part3.Store(target, head, token, channel + 3 * AttentionBlocks.Width, accumulate);
    }
}

/// <summary>
/// Where the queries, the keys or the values of every head lie on the device: element (n, head, token, channel) is at
/// Start + n * Batch + head * Head + token * Token + channel * Channel.
/// </summary>
internal struct GpuHeads
{
    public ArrayView<float> Values;
    public long Start, Batch;
    public int Head, Token, Channel, Tokens, Channels, Vectors;

    public readonly long At(int n, int head) => Start + n * Batch + (long)head * Head;

    /// <summary>Channels c .. c + 3 of four tokens, <paramref name="step"/> apart; zero beyond the last channel or token.</summary>
    public readonly AttentionVectors LoadFour(long head, int token, int step, int c)
    {
        var result = default(AttentionVectors);
        if (Vectors != 0)
        {
            // No branch between the loads, so that all are under way before the first is waited for.
            result.V0 = LoadVector(head, token, c);
            result.V1 = LoadVector(head, token + step, c);
            result.V2 = LoadVector(head, token + 2 * step, c);
            result.V3 = LoadVector(head, token + 3 * step, c);
            return result;
        }
        result.V0 = LoadEach(head, token, c);
        result.V1 = LoadEach(head, token + step, c);
        result.V2 = LoadEach(head, token + 2 * step, c);
        result.V3 = LoadEach(head, token + 3 * step, c);
        return result;
    }

    /// <summary>Writes, or adds, channels c .. c + 3 of a token, except beyond the last.</summary>
    public readonly void Store(long head, int token, int c, F4 source, int accumulate)
    {
        if (token >= Tokens || c >= Channels) return;
        long at = head + (long)token * Token + (long)c * Channel;
        if (Vectors != 0)
        {
            var vectors = Values.Cast<F4>();
            vectors[at >> 2] = accumulate != 0 ? GpuLoad.Add(source, vectors[at >> 2]) : source;
            return;
        }
        if (accumulate != 0) source = GpuLoad.Add(source, LoadEach(head, token, c));
        Values[at] = source.X;
        if (c + 1 < Channels) Values[at + Channel] = source.Y;
        if (c + 2 < Channels) Values[at + 2 * Channel] = source.Z;
        if (c + 3 < Channels) Values[at + 3 * Channel] = source.W;
    }

    private readonly F4 LoadVector(long head, int token, int c)
    {
        long at = head + (long)IntrinsicMath.Min(token, Tokens - 1) * Token + IntrinsicMath.Min(c, Channels - 4);
        F4 value = Values.Cast<F4>()[at >> 2];
        bool exists = token < Tokens & c < Channels;
        return new F4 { X = exists ? value.X : 0, Y = exists ? value.Y : 0, Z = exists ? value.Z : 0, W = exists ? value.W : 0 };
    }

    private readonly F4 LoadEach(long head, int token, int c)
    {
        var result = default(F4);
        if (token >= Tokens) return result;
        long at = head + (long)token * Token + (long)c * Channel;
        if (c < Channels) result.X = Values[at];
        if (c + 1 < Channels) result.Y = Values[at + Channel];
        if (c + 2 < Channels) result.Z = Values[at + 2 * Channel];
        if (c + 3 < Channels) result.W = Values[at + 3 * Channel];
        return result;
    }
}

/// <summary>What a thread fetches at once.</summary>
internal struct AttentionVectors
{
    public F4 V0, V1, V2, V3;
}
