using NativeDiffusion.Kernels;

namespace NativeDiffusion.Bench.Arms;

/// <summary>The inputs of one guided step alone, the same for every arm.</summary>
internal sealed class StepData
{
    /// <summary>Guidance scale of every sample.</summary>
    public const float Scale = 3;

    public StepData(Shape image, int batch)
    {
        Shape = image.WithBatch(batch);
        int count = checked((int)Shape.Count);
        (Conditional, Unconditional, Z, History) = (Noise(count, 1), Noise(count, 2), Noise(count, 3), Noise(count, 4));
    }

    /// <summary>A step of DPM-Solver++(2M) in the middle of 20 with a v-prediction: guidance, clipping, one history read and written.</summary>
    public static GuidedStepRow Row { get; } = new()
    {
        StepIndex = 10, XFromZ = 0.72f, XFromG = -0.69f, A = 0.88f, B = 0.29f, P = -0.13f, Clip = true, StoreHistory = true, HistoryFromX = 1,
    };

    /// <summary>[N, H, W, C].</summary>
    public Shape Shape { get; }

    public float[] Conditional { get; }

    public float[] Unconditional { get; }

    public float[] Z { get; }

    public float[] History { get; }

    /// <summary>Bytes that the step cannot avoid: two predictions, state and history read, state and history written.</summary>
    public static long LeastBytes(Shape image, int batch) => 6 * sizeof(float) * batch * image.Count;

    /// <summary>Standard normal values by counter.</summary>
    public static float[] Noise(int count, uint sample)
    {
        float[] values = new float[count];
        Philox.Fill(values, 1, sample, 0, RandomStream.InitialNoise);
        return values;
    }
}
