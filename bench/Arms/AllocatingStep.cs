using System.Numerics.Tensors;
using NativeDiffusion.Kernels;

namespace NativeDiffusion.Bench.Arms;

/// <summary>The passes of <see cref="ComposedStep"/> with a new array for each result: what a chain of operators on tensors does.</summary>
internal static class AllocatingStep
{
    /// <summary>The next state and history.</summary>
    public static (float[] Z, float[] History) Run(
        in GuidedStepRow row, float scale, float[] conditional, float[] unconditional, float[] z, float[] history, StepNoise? noise = null)
    {
        ComposedStep.CheckRow(row, noise);
        float[] image = conditional, variance = [];
        if (conditional.Length > z.Length) (image, variance) = (Half(conditional, z, noise!, 0), Half(conditional, z, noise!, 1));
        if (unconditional.Length > z.Length) unconditional = Half(unconditional, z, noise!, 0);
        float[] guided = Add(unconditional, Scale(Subtract(image, unconditional), scale));
        float[] clean = Add(Scale(z, row.XFromZ), Scale(guided, row.XFromG));
        if (row.Clip) clean = Clamp(clean, row.ClipLow, row.ClipHigh);
        float[] next = Add(Scale(z, row.A), Scale(clean, row.B));
        if (row.E != 0) next = Add(next, Scale(guided, row.E));
        if (row.P != 0) next = Add(next, Scale(history, row.P));
        if (noise is not null)
        {
            float[] deviation = new float[variance.Length], drawn = noise.Draw(row).ToArray();
            if (row.LearnedVariance) StepNoise.Deviation(row, variance, deviation);
            next = Add(next, row.LearnedVariance ? Multiply(deviation, drawn) : Scale(drawn, row.C));
        }
        return (next, row.StoreHistory ? clean : history);
    }

    private static float[] Half(float[] prediction, float[] z, StepNoise noise, int half)
    {
        float[] result = new float[z.Length];
        noise.Split(prediction, half, result);
        return result;
    }

    private static float[] Multiply(float[] a, float[] b)
    {
        float[] result = new float[a.Length];
        TensorPrimitives.Multiply(a, b, result);
        return result;
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
