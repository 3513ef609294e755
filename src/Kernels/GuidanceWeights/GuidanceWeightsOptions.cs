namespace NativeDiffusion.Kernels;

/// <summary>By what rule the weight of the first branch follows from the predictions.</summary>
public enum GuidanceWeightsKind
{
    /// <summary>It stays as it is.</summary>
    Plain,

    /// <summary>CFG-Zero*: the other prediction is scaled to fit the conditional one.</summary>
    ZeroStar,

    /// <summary>TCFG: of the other prediction only the part along the common direction is used.</summary>
    Tangential,

    /// <summary>MAMBO-G: less guidance where the difference is large beside the other prediction.</summary>
    Magnitude,

    /// <summary>APG without momentum: the difference is cut to a length, and its part along the conditional prediction scaled.</summary>
    ProjectedApg,
}

/// <summary>What <see cref="IKernels.GuidanceWeights"/> does to the weights. The default leaves them as they are.</summary>
public readonly record struct GuidanceWeightsOptions
{
    /// <summary>The rule for the first branch.</summary>
    public GuidanceWeightsKind Kind { get; init; }

    /// <summary>Whether the scale counts from the conditional prediction, so that w_1 is s and not s - 1. Of the rules, ProjectedApg alone asks.</summary>
    public bool Original { get; init; }

    /// <summary>Guidance rescale, 0 (none) to 1.</summary>
    public float Rescale { get; init; }

    /// <summary>Magnitude: how fast the guidance falls with the relative difference; at least 0.</summary>
    public float Alpha { get; init; }

    /// <summary>ProjectedApg: longest difference, or 0 for any.</summary>
    public float Threshold { get; init; }

    /// <summary>ProjectedApg: factor of the part along the conditional prediction.</summary>
    public float Eta { get; init; }

    /// <summary>How many channels, the first, are combined and so counted in the sums; 0 for all.</summary>
    public int GuidedChannels { get; init; }

    /// <summary>Whether no weight can change.</summary>
    internal bool IsIdentity => Kind == GuidanceWeightsKind.Plain && Rescale == 0;

    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    internal void Require(int channels)
    {
        if (!Enum.IsDefined(Kind)) throw new ArgumentException($"Guidance weights of kind {(int)Kind}: there is no such rule.");
        if (!(Rescale >= 0 && Rescale <= 1)) throw new ArgumentException($"The guidance rescale is 0 to 1; got {Rescale}.");
        if (!(Alpha >= 0) || !float.IsFinite(Alpha)) throw new ArgumentException($"Alpha of magnitude-aware guidance is at least 0 and finite; got {Alpha}.");
        if (!(Threshold >= 0)) throw new ArgumentException($"The threshold of projected guidance is positive, or 0 for none; got {Threshold}.");
        if (!float.IsFinite(Eta)) throw new ArgumentException($"Eta of projected guidance is finite; got {Eta}.");
        if (GuidedChannels < 0 || GuidedChannels > channels)
            throw new ArgumentException($"Guidance combines the first {GuidedChannels} of {channels} channels; 0 combines all.");
    }
}
