namespace NativeDiffusion.Model.Training;

/// <summary>How the learning rate goes from its peak to its final value, after the warm-up.</summary>
public enum LearningRateDecay
{
    /// <summary>Half a cosine.</summary>
    Cosine,

    /// <summary>A straight line, as ADM's classifiers were trained (Dhariwal and Nichol 2021).</summary>
    Linear,

    /// <summary>Not at all, as DiT (Peebles and Xie 2022) and EDM (Karras et al. 2022) were trained.</summary>
    Constant,
}
