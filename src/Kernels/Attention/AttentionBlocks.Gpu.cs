using System.Runtime.CompilerServices;
using ILGPU;

namespace NativeDiffusion.Kernels;

/// <summary>
/// What attention's kernels have in common: a group of 128 threads multiplies blocks of 64 tokens, 8 x 4 products for each thread. Thread t has
/// rows 4r .. 4r + 3 and 32 + 4r .. 35 + 4r, r = t / 16, and columns 4c .. 4c + 3, c = t % 16.
/// </summary>
/// <remarks>
/// Blocks in shared memory have rows of 64 floats; the index that is summed over is the row. Within row i the four floats at 4q stand at
/// 4 (q xor (i / 4 mod 8)): so neither reads along rows, nor writes of turned blocks, four rows by four columns for each thread, meet in a bank.
/// </remarks>
internal static class AttentionBlocks
{
    /// <summary>Tokens of a block; channels of a result that are summed at a time; channels that products are staged by; threads.</summary>
    public const int Tokens = 64, Width = 64, Step = 32, Threads = 128;

    /// <summary>Floats of a block in shared memory: 64 tokens of 64 channels, or twice 32 channels of 64 tokens.</summary>
    public const int BlockLength = Tokens * Width;

    /// <summary>Floats of shared memory for two values of each token.</summary>
    public const int StatisticsLength = 2 * Tokens;

    private const int RowVectors = Width / 4;
    private const int Half = Step * RowVectors;

    /// <summary>The first of a thread's rows, in steps of four.</summary>
    public static int Row => Group.IdxX / 16;

    /// <summary>The first of a thread's columns, in steps of four.</summary>
    public static int Column => Group.IdxX % 16;

    /// <summary>Blocks of a sequence.</summary>
    public static int Count(int tokens) => (tokens + Tokens - 1) / Tokens;

    /// <summary>What the group computes: sample, head, the first token of its block, and the first channel of its part of the result.</summary>
    public static void Place<TWidth>(int tokens, int heads, out int n, out int head, out int token, out int channel)
        where TWidth : struct, IAttentionWidth
    {
        int blocks = Count(tokens), row = Grid.IdxX / blocks;
        n = row / heads;
        head = row - n * heads;
        token = (Grid.IdxX - row * blocks) * Tokens;
        channel = Grid.IdxY * TWidth.Parts * Width;
    }

    /// <summary>
    /// result[i][j] = left token i . right token j, over all channels of the head. On return <paramref name="staging"/> is free.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Products(
        ref AttentionSums result, GpuHeads left, long leftHead, int leftToken, GpuHeads right, long rightHead, int rightToken, ArrayView<float> staging)
    {
        result = default;
        var vectors = staging.Cast<F4>();
        for (int c = 0; c < left.Channels; c += Step)
        {
            StageTurned(left, leftHead, leftToken, c, staging, 0);
            StageTurned(right, rightHead, rightToken, c, staging, 4 * Half);
            Group.Barrier();
            Multiply(ref result, vectors, vectors, Half, (IntrinsicMath.Min(Step, left.Channels - c) + 3) / 4);
            Group.Barrier();
        }
    }

    /// <summary>
    /// sums[i][c] += sum over j of weights[j][i] times channel c of token j, for the <typeparamref name="TWidth"/> channels from
    /// <paramref name="channel"/>. The weights must be written, but not waited for; on return they and <paramref name="staging"/> are free.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddWeighted<TWidth>(
        ref AttentionRows sums, ArrayView<float> weights, GpuHeads source, long head, int token, int channel, ArrayView<float> staging)
        where TWidth : struct, IAttentionWidth
    {
        AddWeighted(ref sums.Part0, weights, source, head, token, channel, staging);
        if (TWidth.Parts > 1) AddWeighted(ref sums.Part1, weights, source, head, token, channel + Width, staging);
        if (TWidth.Parts > 2) AddWeighted(ref sums.Part2, weights, source, head, token, channel + 2 * Width, staging);
        if (TWidth.Parts > 3) AddWeighted(ref sums.Part3, weights, source, head, token, channel + 3 * Width, staging);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddWeighted(
        ref AttentionSums sums, ArrayView<float> weights, GpuHeads source, long head, int token, int channel, ArrayView<float> staging)
    {
        if (channel >= source.Channels) return;
        Stage(source, head, token, channel, staging);
        Group.Barrier();
        Multiply(ref sums, weights.Cast<F4>(), staging.Cast<F4>(), 0, (IntrinsicMath.Min(Tokens, source.Tokens - token) + 3) / 4);
        Group.Barrier();
    }

    /// <summary>sums[i][j] += sum over k of left[k][i] right[k][j], four values of k at a time.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Multiply(ref AttentionSums sums, ArrayView<F4> left, ArrayView<F4> right, int rightOffset, int steps)
    {
        int row = Row, column = Column;
        for (int i = 0; i < steps; i++)
        {
            int a = i * 4 * RowVectors + (row ^ (i & 7)), b = rightOffset + i * 4 * RowVectors + (column ^ (i & 7));
            sums.Add(left[a], left[a + 8], right[b]);
            sums.Add(left[a + RowVectors], left[a + RowVectors + 8], right[b + RowVectors]);
            sums.Add(left[a + 2 * RowVectors], left[a + 2 * RowVectors + 8], right[b + 2 * RowVectors]);
            sums.Add(left[a + 3 * RowVectors], left[a + 3 * RowVectors + 8], right[b + 3 * RowVectors]);
        }
    }

    /// <summary>Stages 64 channels of 64 tokens, a row for each token.</summary>
    private static void Stage(GpuHeads source, long head, int token, int channel, ArrayView<float> target)
    {
        int row = Group.IdxX / RowVectors, quad = Group.IdxX % RowVectors, c = channel + 4 * quad;
        var vectors = target.Cast<F4>();
        for (int i = row; i < Tokens; i += Tokens / 2)
        {
            var loaded = source.LoadFour(head, token + i, 8, c);
            vectors[At(i, quad)] = loaded.V0;
            vectors[At(i + 8, quad)] = loaded.V1;
            vectors[At(i + 16, quad)] = loaded.V2;
            vectors[At(i + 24, quad)] = loaded.V3;
        }
    }

    /// <summary>Stages 32 channels of 64 tokens, a row for each channel.</summary>
    private static void StageTurned(GpuHeads source, long head, int token, int channel, ArrayView<float> target, int offset)
    {
        int i = Group.IdxX / 8, quad = Group.IdxX % 8;
        var loaded = source.LoadFour(head, token + i, 16, channel + 4 * quad);
        PutTurned(target, offset, quad, i, loaded.V0);
        PutTurned(target, offset, quad, i + 16, loaded.V1);
        PutTurned(target, offset, quad, i + 32, loaded.V2);
        PutTurned(target, offset, quad, i + 48, loaded.V3);
    }

    private static void PutTurned(ArrayView<float> target, int offset, int quad, int token, F4 channels)
    {
        int at = offset + 4 * At(4 * quad, token / 4) + token % 4;
        target[at] = channels.X;
        target[at + Width] = channels.Y;
        target[at + 2 * Width] = channels.Z;
        target[at + 3 * Width] = channels.W;
    }

    /// <summary>Where, in steps of four floats, a block has the four at <paramref name="quad"/> of a row.</summary>
    private static int At(int row, int quad) => row * RowVectors + (quad ^ (row / 4 & 7));

    /// <summary>Stores a thread's products with their columns as rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreTurned(in AttentionSums values, ArrayView<float> target)
    {
        var vectors = target.Cast<F4>();
        int at = At(4 * Column, Row);
        vectors[at] = new F4 { X = values.A0.X, Y = values.A1.X, Z = values.A2.X, W = values.A3.X };
        vectors[at + 8] = new F4 { X = values.A4.X, Y = values.A5.X, Z = values.A6.X, W = values.A7.X };
        vectors[at + RowVectors] = new F4 { X = values.A0.Y, Y = values.A1.Y, Z = values.A2.Y, W = values.A3.Y };
        vectors[at + RowVectors + 8] = new F4 { X = values.A4.Y, Y = values.A5.Y, Z = values.A6.Y, W = values.A7.Y };
        vectors[at + 2 * RowVectors] = new F4 { X = values.A0.Z, Y = values.A1.Z, Z = values.A2.Z, W = values.A3.Z };
        vectors[at + 2 * RowVectors + 8] = new F4 { X = values.A4.Z, Y = values.A5.Z, Z = values.A6.Z, W = values.A7.Z };
        vectors[at + 3 * RowVectors] = new F4 { X = values.A0.W, Y = values.A1.W, Z = values.A2.W, W = values.A3.W };
        vectors[at + 3 * RowVectors + 8] = new F4 { X = values.A4.W, Y = values.A5.W, Z = values.A6.W, W = values.A7.W };
    }

    /// <summary>Multiplies what the same thread stored by <see cref="StoreTurned"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void MultiplyTurned(in AttentionSums factors, ArrayView<float> target)
    {
        var vectors = target.Cast<F4>();
        int at = At(4 * Column, Row);
        Multiply(vectors, at, factors.A0.X, factors.A1.X, factors.A2.X, factors.A3.X);
        Multiply(vectors, at + 8, factors.A4.X, factors.A5.X, factors.A6.X, factors.A7.X);
        Multiply(vectors, at + RowVectors, factors.A0.Y, factors.A1.Y, factors.A2.Y, factors.A3.Y);
        Multiply(vectors, at + RowVectors + 8, factors.A4.Y, factors.A5.Y, factors.A6.Y, factors.A7.Y);
        Multiply(vectors, at + 2 * RowVectors, factors.A0.Z, factors.A1.Z, factors.A2.Z, factors.A3.Z);
        Multiply(vectors, at + 2 * RowVectors + 8, factors.A4.Z, factors.A5.Z, factors.A6.Z, factors.A7.Z);
        Multiply(vectors, at + 3 * RowVectors, factors.A0.W, factors.A1.W, factors.A2.W, factors.A3.W);
        Multiply(vectors, at + 3 * RowVectors + 8, factors.A4.W, factors.A5.W, factors.A6.W, factors.A7.W);
    }

    private static void Multiply(ArrayView<F4> vectors, int at, float x, float y, float z, float w)
    {
        F4 value = vectors[at];
        vectors[at] = new F4 { X = value.X * x, Y = value.Y * y, Z = value.Z * z, W = value.W * w };
    }

    /// <summary>Puts one value for each of a thread's rows beside those that the other threads have for them.</summary>
    public static void PutPartials(ArrayView<float> target, F4 low, F4 high)
    {
        var vectors = target.Cast<F4>();
        // As if 16 rows of 64, each four times.
        int at = Column * RowVectors + (Row ^ (Column & 7));
        vectors[at] = low;
        vectors[at + 8] = high;
    }

    /// <summary>One of the 16 partial values of a row.</summary>
    public static float Partial(ArrayView<float> source, int row, int column) => source[column * Width + (row / 4 ^ (column & 7)) * 4 + row % 4];

    /// <summary>Fetches one value for each of a thread's rows: the first four, or the others.</summary>
    public static F4 OfRows(ArrayView<float> statistics, int which, int high) => statistics.Cast<F4>()[which * RowVectors + 8 * high + Row];

    /// <summary>Fetches one value for each of a thread's columns.</summary>
    public static F4 OfColumns(ArrayView<float> statistics, int which) => statistics.Cast<F4>()[which * RowVectors + Column];
}

/// <summary>How many times 64 channels of its results a group sums; more, and others sum the rest.</summary>
internal interface IAttentionWidth
{
    static abstract int Parts { get; }
}

internal struct AttentionWidth64 : IAttentionWidth
{
    public static int Parts => 1;
}

internal struct AttentionWidth128 : IAttentionWidth
{
    public static int Parts => 2;
}

internal struct AttentionWidth256 : IAttentionWidth
{
    public static int Parts => 4;
}
