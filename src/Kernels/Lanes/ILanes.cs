namespace NativeDiffusion.Kernels;

/// <summary>
/// A vector of float32 as wide as the instruction set allows. Kernels are generic over it, so each is written once; the compiler specialises
/// them per width, and the one-field wrappers cost nothing.
/// </summary>
internal unsafe interface ILanes<TSelf>
    where TSelf : unmanaged, ILanes<TSelf>
{
    /// <summary>Number of floats.</summary>
    static abstract int Count { get; }

    static abstract TSelf Zero { get; }

    static abstract TSelf Load(float* source);

    /// <summary>The first <paramref name="count"/> floats (0 to Count), zero in the rest; reads nothing beyond them.</summary>
    static abstract TSelf LoadPartial(float* source, int count);

    static abstract TSelf Broadcast(float value);

    static abstract void Store(float* destination, TSelf value);

    /// <summary>Writes the first <paramref name="count"/> floats (0 to Count) only.</summary>
    static abstract void StorePartial(float* destination, TSelf value, int count);

    /// <summary>a * b + c, in one rounding where the hardware fuses it.</summary>
    static abstract TSelf MultiplyAdd(TSelf a, TSelf b, TSelf c);

    static abstract TSelf operator +(TSelf a, TSelf b);

    static abstract TSelf operator -(TSelf a, TSelf b);

    static abstract TSelf operator *(TSelf a, TSelf b);

    static abstract TSelf operator /(TSelf a, TSelf b);

    /// <summary>Smaller of two; where one is NaN, either of them (on x86 and GPUs <paramref name="b"/>). A constant comes first.</summary>
    static abstract TSelf Min(TSelf a, TSelf b);

    /// <summary>Larger of two; where one is NaN, either of them (on x86 and GPUs <paramref name="b"/>). A constant comes first.</summary>
    static abstract TSelf Max(TSelf a, TSelf b);

    static abstract TSelf Sqrt(TSelf a);

    static abstract TSelf Abs(TSelf a);

    /// <summary>Nearest integer, ties to even.</summary>
    static abstract TSelf Round(TSelf a);

    /// <summary>2^n for integral n in -126 to 127.</summary>
    static abstract TSelf PowerOfTwo(TSelf n);

    /// <summary>a * 2^n for a in 0.5 to 2 and integral n up to 126; for n below -126 at most 2 * 2^-126.</summary>
    static abstract TSelf ScaleByPowerOfTwo(TSelf a, TSelf n);

    /// <summary>Where a &gt; b: <paramref name="whenTrue"/>, elsewhere (NaN included): <paramref name="whenFalse"/>. Only b may be a constant.</summary>
    static abstract TSelf SelectGreater(TSelf a, TSelf b, TSelf whenTrue, TSelf whenFalse);

    /// <summary>Sum of the elements by halving: lower half plus upper half, until one is left.</summary>
    static abstract float Sum(TSelf a);

    /// <summary>Largest element.</summary>
    static abstract float MaxElement(TSelf a);
}
