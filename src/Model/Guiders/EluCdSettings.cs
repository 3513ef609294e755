namespace NativeDiffusion.Model.Guiders;

/// <summary>What EluCD shares among samplers.</summary>
public sealed record EluCdSettings
{
    /// <summary>The published setting for DDPM at ImageNet 128 (table 7): softplus of beta 3 in the classifier, these temperatures and this sine.</summary>
    public static EluCdSettings Ddpm { get; } = new() { Scale = 1, JointTemperature = 1, MarginalTemperature = 0.5, Sine = 0.3 };

    /// <summary>The published setting for EDM at ImageNet 64 with 10 or 18 steps (table 8): beta 5.</summary>
    public static EluCdSettings Edm { get; } = new() { Scale = 0.004, JointTemperature = 1, MarginalTemperature = 0, Sine = 0.3 };

    /// <summary>For DiT at 256 pixels. The paper's values are lost; these are ours.</summary>
    public static EluCdSettings Dit { get; } = new() { Scale = 0.1, JointTemperature = 1, MarginalTemperature = 0.5, Sine = 0.3 };

    /// <summary>For CLIP guidance, by <see cref="EluCdGuider"/> with a <see cref="Model.Clip.ClipClassifier"/>: the text's logit alone. The paper's values are lost; these are ours.</summary>
    public static EluCdSettings Clip { get; } = new() { Scale = 1, JointTemperature = 1, MarginalTemperature = 0, Sine = 0.3 };

    /// <summary>Factor of the gradient: s of DDPM, w_max of EDM and DiT.</summary>
    public double Scale { get; init; } = 1;

    /// <summary>tau1, which multiplies the logit of the class.</summary>
    public double JointTemperature { get; init; } = 1;

    /// <summary>tau2, which multiplies all logits in the normaliser; 0 leaves the class's logit alone, tau1 gives the plain classifier.</summary>
    public double MarginalTemperature { get; init; } = 1;

    /// <summary>gamma: how much of the greatest variance (or weight) the sine adds in the middle of the path. 0 adds nothing.</summary>
    public double Sine { get; init; }

    /// <summary>
    /// As the released code: the greatest variance is read off the first value of the batch's first image, so that images depend on their batch. Otherwise it is the
    /// first step's upper bound.
    /// </summary>
    public bool ReadsVarianceOfBatch { get; init; }

    /// <exception cref="ArgumentException">A value is out of range.</exception>
    internal void Require()
    {
        if (!double.IsFinite(Scale)) throw new ArgumentException($"EluCD's scale is finite; got {Scale}.");
        if (!double.IsFinite(JointTemperature) || !double.IsFinite(MarginalTemperature))
            throw new ArgumentException($"EluCD's temperatures are finite; got {JointTemperature} and {MarginalTemperature}.");
        if (!(Sine >= 0) || double.IsInfinity(Sine)) throw new ArgumentException($"EluCD's sine is at least 0 and finite; got {Sine}.");
    }
}
