namespace NativeDiffusion.Kernels;

/// <summary>A vector of uint32 as wide as its float companion <typeparamref name="V"/>: what Philox needs beside
/// <see cref="ILanes{TSelf}"/>.</summary>
internal unsafe interface IWords<TSelf, V>
    where TSelf : unmanaged, IWords<TSelf, V>
    where V : unmanaged, ILanes<V>
{
    /// <summary>
    /// For each lane the offset of the block that it computes, such that <see cref="StoreInterleaved"/> needs no shuffle across 128-bit
    /// groups: lane p of group q takes block p * groups + q.
    /// </summary>
    static abstract TSelf BlockOffsets { get; }

    static abstract TSelf Broadcast(uint value);

    static abstract TSelf operator +(TSelf a, TSelf b);

    static abstract TSelf operator -(TSelf a, TSelf b);

    static abstract TSelf operator ^(TSelf a, TSelf b);

    static abstract TSelf operator &(TSelf a, TSelf b);

    static abstract TSelf operator <<(TSelf a, int count);

    static abstract TSelf operator >>>(TSelf a, int count);

    /// <summary>The 64-bit products of the words at even places of a and b; each takes its own place and the odd one after it.</summary>
    static abstract TSelf MultiplyEven(TSelf a, TSelf b);

    /// <summary>The words at odd places moved to the even ones before them, zeros behind them: the high halves of products.</summary>
    static abstract TSelf OddToEven(TSelf a);

    /// <summary>The words at even places of <paramref name="even"/>, and at odd places the words of <paramref name="odd"/> before those.</summary>
    static abstract TSelf Interleave(TSelf even, TSelf odd);

    /// <summary>Nearest float32 of each unsigned word.</summary>
    static abstract V ToFloat(TSelf a);

    /// <summary>Nearest float32 of each word, taken as signed.</summary>
    static abstract V ToFloatSigned(TSelf a);

    /// <summary>The words as bit patterns of floats.</summary>
    static abstract V AsFloat(TSelf a);

    /// <summary>The bit patterns of floats.</summary>
    static abstract TSelf FromFloat(V a);

    /// <summary>
    /// Stores a0 b0 c0 d0 a1 b1 c1 d1 ... where index i is the lane of block offset i (see <see cref="BlockOffsets"/>).
    /// </summary>
    static abstract void StoreInterleaved(float* destination, V a, V b, V c, V d);
}
