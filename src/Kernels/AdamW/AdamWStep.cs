namespace NativeDiffusion.Kernels;

/// <summary>The numbers of one AdamW step; all that depends on them alone is computed in double.</summary>
public readonly record struct AdamWStep
{
    /// <summary>The published defaults; <see cref="LearningRate"/> and <see cref="Step"/> are to be set.</summary>
    public AdamWStep() { }

    /// <summary>Number of the step, the first is 1; it decides the bias corrections.</summary>
    public long Step { get; init; } = 1;

    /// <summary>Learning rate of this step.</summary>
    public double LearningRate { get; init; }

    /// <summary>Decay of the mean of the gradients, in [0, 1).</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the mean of the squared gradients, in [0, 1).</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Guard of the division, above 0.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Decoupled weight decay; the values shrink by LearningRate * WeightDecay per step.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Largest norm of the whole gradient; 0 for no clipping.</summary>
    public double ClipNorm { get; init; }

    /// <summary>Decay of the moving average of the values, where one is kept.</summary>
    public double AverageDecay { get; init; }
}
