using System.Numerics.Tensors;
using NativeDiffusion.Kernels;

namespace NativeDiffusion.Bench.Arms;

/// <summary>The passes of <see cref="ComposedStep"/> with a new array for each result: what a chain of operators on tensors does.</summary>
internal static class AllocatingStep
{
    /// <summary>The next state and history.</summary>
    public static (float[] Z, float[] History) Run(
        in GuidedStepRow row, float scale, float[] conditional, float[] unconditional, float[] z, float[] history)
    {
        ComposedStep.CheckRow(row);
        float[] guided = Add(unconditional, Scale(Subtract(conditional, unconditional), scale));
        float[] clean = Add(Scale(z, row.XFromZ), Scale(guided, row.XFromG));
        if (row.Clip) clean = Clamp(clean, row.ClipLow, row.ClipHigh);
        float[] next = Add(Scale(z, row.A), Scale(clean, row.B));
        if (row.E != 0) next = Add(next, Scale(guided, row.E));
        if (row.P != 0) next = Add(next, Scale(history, row.P));
        return (next, row.StoreHistory ? clean : history);
    }

    private static float[] Add(float[] a, float[] b)
    {
        float[] result = new float[a.Length];
        TensorPrimitives.Add(a, b, result);
        return result;
    }

    private static float[] Subtract(float[] a, float[] b)
    {
        float[] result = new float[a.Length];
        TensorPrimitives.Subtract(a, b, result);
        return result;
    }

    private static float[] Scale(float[] a, float factor)
    {
        float[] result = new float[a.Length];
        TensorPrimitives.Multiply(a, factor, result);
        return result;
    }

    private static float[] Clamp(float[] a, float low, float high)
    {
        float[] result = new float[a.Length];
        TensorPrimitives.Clamp(a, low, high, result);
        return result;
    }
}
