using NativeDiffusion.Kernels;

namespace NativeDiffusion.Bench.Arms;

/// <summary>What a guided step does beside guidance, clipping and the mix of state and clean sample.</summary>
public enum StepKind
{
    /// <summary>DPM-Solver++(2M): reads and writes a history.</summary>
    History,

    /// <summary>Stochastic DDIM: adds noise, drawn for the step.</summary>
    Noise,

    /// <summary>Ancestral, with a variance from the network's second half of the channels, and noise drawn for the step.</summary>
    LearnedVariance,
}

/// <summary>The inputs of one guided step alone, the same for every arm.</summary>
internal sealed class StepData
{
    /// <summary>Guidance scale of every sample.</summary>
    public const float Scale = 3;

    public StepData(Shape image, int batch, StepKind kind = StepKind.History)
    {
        Shape = image.WithBatch(batch);
        Predicted = kind == StepKind.LearnedVariance ? Shape.WithChannels(2 * image.Channels) : Shape;
        Row = RowOf(kind);
        int count = checked((int)Shape.Count), predicted = checked((int)Predicted.Count);
        (Conditional, Unconditional, Z, History) = (Noise(predicted, 1), Noise(predicted, 2), Noise(count, 3), Noise(count, 4));
    }

    /// <summary>A step in the middle of 20 with a v-prediction.</summary>
    public GuidedStepRow Row { get; }

    /// <summary>[N, H, W, C].</summary>
    public Shape Shape { get; }

    /// <summary>[N, H, W, C], or 2C where the variance is learned.</summary>
    public Shape Predicted { get; }

    public float[] Conditional { get; }

    public float[] Unconditional { get; }

    public float[] Z { get; }

    public float[] History { get; }

    /// <summary>Bytes that the step cannot avoid: predictions, state and history read, state and history written.</summary>
    public static long LeastBytes(Shape image, int batch, StepKind kind) =>
        (kind switch { StepKind.Noise => 4, _ => 6 }) * sizeof(float) * batch * image.Count;

    /// <summary>Standard normal values by counter.</summary>
    public static float[] Noise(int count, uint sample)
    {
        float[] values = new float[count];
        Philox.Fill(values, 1, sample, 0, RandomStream.InitialNoise);
        return values;
    }

    private static GuidedStepRow RowOf(StepKind kind)
    {
        var row = new GuidedStepRow { StepIndex = 10, XFromZ = 0.72f, XFromG = -0.69f, A = 0.88f, B = 0.29f, Clip = true };
        return kind switch
        {
            StepKind.Noise => row with { C = 0.3f },
            StepKind.LearnedVariance => row with { LearnedVariance = true, LogVarMin = -4, LogVarMax = -2 },
            _ => row with { P = -0.13f, StoreHistory = true, HistoryFromX = 1 },
        };
    }
}
