namespace ILGPU;

public static partial class IntrinsicMath
{
    // PTX's own minimum and maximum: of a number and a NaN, the number.
    public static float Min(float first, float second) => float.MinNumber(first, second);

    public static int Min(int first, int second) => Math.Min(first, second);

    public static long Min(long first, long second) => Math.Min(first, second);

    public static float Max(float first, float second) => float.MaxNumber(first, second);

    public static int Max(int first, int second) => Math.Max(first, second);

    public static long Max(long first, long second) => Math.Max(first, second);
}
