namespace ILGPU.Algorithms;

public static partial class XMath
{
    public static double Floor(double value) => Math.Floor(value);

    public static float Floor(float value) => MathF.Floor(value);

    public static double Ceiling(double value) => Math.Ceiling(value);

    public static float Ceiling(float value) => MathF.Ceiling(value);

    public static double Truncate(double value) => Math.Truncate(value);

    public static float Truncate(float value) => MathF.Truncate(value);

    public static double Sqrt(double value) => Math.Sqrt(value);

    public static float Sqrt(float value) => MathF.Sqrt(value);

    public static double Exp(double value) => Math.Exp(value);

    public static float Exp(float value) => MathF.Exp(value);

    public static double Log(double value) => Math.Log(value);

    public static float Log(float value) => MathF.Log(value);

    public static double Log10(double value) => Math.Log10(value);

    public static float Log10(float value) => MathF.Log10(value);

    public static double Log2(double value) => Math.Log2(value);

    public static float Log2(float value) => MathF.Log2(value);

    public static double Sin(double value) => Math.Sin(value);

    public static float Sin(float value) => MathF.Sin(value);

    public static double Cos(double value) => Math.Cos(value);

    public static float Cos(float value) => MathF.Cos(value);

    public static double Tan(double value) => Math.Tan(value);

    public static float Tan(float value) => MathF.Tan(value);

    public static double Sinh(double value) => Math.Sinh(value);

    public static float Sinh(float value) => MathF.Sinh(value);

    public static double Cosh(double value) => Math.Cosh(value);

    public static float Cosh(float value) => MathF.Cosh(value);

    public static double Tanh(double value) => Math.Tanh(value);

    public static float Tanh(float value) => MathF.Tanh(value);

    public static double Asin(double value) => Math.Asin(value);

    public static float Asin(float value) => MathF.Asin(value);

    public static double Acos(double value) => Math.Acos(value);

    public static float Acos(float value) => MathF.Acos(value);

    public static double Atan(double value) => Math.Atan(value);

    public static float Atan(float value) => MathF.Atan(value);

    public static double Log(double value, double newBase) => Math.Log(value) / Math.Log(newBase);

    public static double Exp2(double value) => Math.Pow(2, value);

    public static double Pow(double @base, double exp) => Math.Pow(@base, exp);

    public static double Atan2(double y, double x) => Math.Atan2(y, x);

    public static double Rsqrt(double value) => 1 / Math.Sqrt(value);

    public static double Rcp(double value) => 1 / value;

    public static double Rem(double x, double y) => x % y;

    public static double Round(double value) => Math.Round(value);

    public static double RoundToEven(double value) => Math.Round(value, MidpointRounding.ToEven);

    public static double RoundAwayFromZero(double value) => Math.Round(value, MidpointRounding.AwayFromZero);

    public static int Sign(double value) => Math.Sign(value);

    public static bool IsNaN(double value) => double.IsNaN(value);

    public static bool IsInfinity(double value) => double.IsInfinity(value);

    public static bool IsFinite(double value) => double.IsFinite(value);

    public static void SinCos(double value, out double sin, out double cos) => (sin, cos) = Math.SinCos(value);

    public static float Log(float value, float newBase) => MathF.Log(value) / MathF.Log(newBase);

    public static float Exp2(float value) => MathF.Pow(2f, value);

    public static float Pow(float @base, float exp) => MathF.Pow(@base, exp);

    public static float Atan2(float y, float x) => MathF.Atan2(y, x);

    public static float Rsqrt(float value) => 1f / MathF.Sqrt(value);

    public static float Rcp(float value) => 1f / value;

    public static float Rem(float x, float y) => x % y;

    public static float Round(float value) => MathF.Round(value);

    public static float RoundToEven(float value) => MathF.Round(value, MidpointRounding.ToEven);

    public static float RoundAwayFromZero(float value) => MathF.Round(value, MidpointRounding.AwayFromZero);

    public static int Sign(float value) => Math.Sign(value);

    public static bool IsNaN(float value) => float.IsNaN(value);

    public static bool IsInfinity(float value) => float.IsInfinity(value);

    public static bool IsFinite(float value) => float.IsFinite(value);

    public static void SinCos(float value, out float sin, out float cos) => (sin, cos) = MathF.SinCos(value);
}
