using ILGPU;

namespace NativeDiffusion.Kernels;

/// <summary>One float as lanes: how the formulas that are written over <see cref="ILanes{TSelf}"/> run in a GPU thread.</summary>
internal readonly unsafe struct LanesScalar(float value) : ILanes<LanesScalar>
{
    public readonly float Value = value;

    public static int Count => 1;

    public static LanesScalar Zero => new(0f);

    public static LanesScalar Load(float* source) => throw new NotSupportedException();

    public static LanesScalar LoadPartial(float* source, int count) => throw new NotSupportedException();

    public static LanesScalar Broadcast(float value) => new(value);

    public static void Store(float* destination, LanesScalar value) => throw new NotSupportedException();

    public static void StorePartial(float* destination, LanesScalar value, int count) => throw new NotSupportedException();

    public static LanesScalar MultiplyAdd(LanesScalar a, LanesScalar b, LanesScalar c) => new(a.Value * b.Value + c.Value);

    public static LanesScalar operator +(LanesScalar a, LanesScalar b) => new(a.Value + b.Value);

    public static LanesScalar operator -(LanesScalar a, LanesScalar b) => new(a.Value - b.Value);

    public static LanesScalar operator *(LanesScalar a, LanesScalar b) => new(a.Value * b.Value);

    public static LanesScalar operator /(LanesScalar a, LanesScalar b) => new(a.Value / b.Value);

    // Comparisons with NaN are false, so the second operand is the result, as on x86. It stands on the left because a is often a constant: see docs/gpu.md.
    public static LanesScalar Min(LanesScalar a, LanesScalar b) => b.Value > a.Value ? a : b;

    public static LanesScalar Max(LanesScalar a, LanesScalar b) => b.Value < a.Value ? a : b;

    public static LanesScalar Sqrt(LanesScalar a) => new(MathF.Sqrt(a.Value));

    public static LanesScalar Abs(LanesScalar a) => new(MathF.Abs(a.Value));

    // 1.5 * 2^23 leaves no room for fractions; what is rounded here is far below 2^22.
    public static LanesScalar Round(LanesScalar a) => new(a.Value + 12582912f - 12582912f);

    public static LanesScalar PowerOfTwo(LanesScalar n) => new(Interop.IntAsFloat((uint)((int)n.Value + 127) << 23));

    // 2^n in two factors: each is a normal number, and the result may be a denormal one.
    public static LanesScalar ScaleByPowerOfTwo(LanesScalar a, LanesScalar n)
    {
        int whole = (int)n.Value, half = whole >> 1;
        return new(a.Value * Interop.IntAsFloat((uint)(half + 127) << 23) * Interop.IntAsFloat((uint)(whole - half + 127) << 23));
    }

    public static LanesScalar SelectGreater(LanesScalar a, LanesScalar b, LanesScalar whenTrue, LanesScalar whenFalse) => a.Value > b.Value ? whenTrue : whenFalse;

    public static float Sum(LanesScalar a) => a.Value;

    public static float MaxElement(LanesScalar a) => a.Value;
}
