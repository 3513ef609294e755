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

    /// <summary>Both halves of the 64-bit products of a and b.</summary>
    static abstract void Multiply(TSelf a, TSelf b, out TSelf high, out TSelf low);

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
