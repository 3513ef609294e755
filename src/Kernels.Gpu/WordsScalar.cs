using ILGPU;

namespace NativeDiffusion.Kernels;

/// <summary>One word as lanes: how the transforms of random words run in a GPU thread, which makes the words themselves one block at a time.</summary>
internal readonly unsafe struct WordsScalar(uint value) : IWords<WordsScalar, LanesScalar>
{
    private readonly uint _value = value;

    public static WordsScalar BlockOffsets => new(0);

    public static WordsScalar Broadcast(uint value) => new(value);

    public static WordsScalar operator +(WordsScalar a, WordsScalar b) => new(a._value + b._value);

    public static WordsScalar operator -(WordsScalar a, WordsScalar b) => new(a._value - b._value);

    public static WordsScalar operator ^(WordsScalar a, WordsScalar b) => new(a._value ^ b._value);

    public static WordsScalar operator &(WordsScalar a, WordsScalar b) => new(a._value & b._value);

    public static WordsScalar operator <<(WordsScalar a, int count) => new(a._value << count);

    public static WordsScalar operator >>>(WordsScalar a, int count) => new(a._value >>> count);

    public static WordsScalar MultiplyEven(WordsScalar a, WordsScalar b) => throw new NotSupportedException();

    public static WordsScalar OddToEven(WordsScalar a) => throw new NotSupportedException();

    public static WordsScalar Interleave(WordsScalar even, WordsScalar odd) => throw new NotSupportedException();

    // Both halves are exact, so their sum is rounded once; an unsigned conversion would go through double precision.
    public static LanesScalar ToFloat(WordsScalar a) => new((float)(int)(a._value >>> 16) * 65536f + (float)(int)(a._value & 0xFFFF));

    public static LanesScalar ToFloatSigned(WordsScalar a) => new((float)(int)a._value);

    public static LanesScalar AsFloat(WordsScalar a) => new(Interop.IntAsFloat(a._value));

    public static WordsScalar FromFloat(LanesScalar a) => new(Interop.FloatAsInt(a.Value));

    public static void StoreInterleaved(float* destination, LanesScalar a, LanesScalar b, LanesScalar c, LanesScalar d) => throw new NotSupportedException();
}
