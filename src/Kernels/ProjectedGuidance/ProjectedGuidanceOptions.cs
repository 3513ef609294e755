namespace NativeDiffusion.Kernels;

/// <summary>What <see cref="IKernels.ProjectedGuidance"/> makes of the difference of two predictions.</summary>
public readonly record struct ProjectedGuidanceOptions
{
    /// <summary>Guidance with the difference as it is.</summary>
    public ProjectedGuidanceOptions() { }

    /// <summary>Whether the scale counts from the conditional prediction, so that w_1 is s and not s - 1.</summary>
    public bool Original { get; init; }

    /// <summary>Share of the running difference that is kept; published is a negative one.</summary>
    public float Momentum { get; init; }

    /// <summary>Longest difference, or 0 for any.</summary>
    public float Threshold { get; init; }

    /// <summary>Factor of the difference's part along the conditional prediction.</summary>
    public float Eta { get; init; } = 1;

    /// <summary>Whether length and direction are those of each channel's image by itself, and not of the sample.</summary>
    public bool PerChannel { get; init; }

    /// <summary>Whether the guided prediction is the plain one, and only the running difference moves: the first steps of a mixed guidance.</summary>
    public bool Plain { get; init; }

    /// <summary>Guidance scale s wherever the first branch has a weight; null takes s from that weight.</summary>
    public float? Scale { get; init; }

    /// <summary>Guidance rescale, 0 (none) to 1.</summary>
    public float Rescale { get; init; }

    /// <summary>How many channels, the first, are combined; 0 for all.</summary>
    public int GuidedChannels { get; init; }

    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    internal void Require(int channels)
    {
        if (!float.IsFinite(Momentum)) throw new ArgumentException($"The momentum of projected guidance is finite; got {Momentum}.");
        if (!(Threshold >= 0)) throw new ArgumentException($"The threshold of projected guidance is positive, or 0 for none; got {Threshold}.");
        if (Scale is { } scale && !float.IsFinite(scale)) throw new ArgumentException($"The scale of projected guidance is finite; got {scale}.");
        if (!float.IsFinite(Eta)) throw new ArgumentException($"Eta of projected guidance is finite; got {Eta}.");
        if (!(Rescale >= 0 && Rescale <= 1)) throw new ArgumentException($"The guidance rescale is 0 to 1; got {Rescale}.");
        if (GuidedChannels < 0 || GuidedChannels > channels)
            throw new ArgumentException($"Guidance combines the first {GuidedChannels} of {channels} channels; 0 combines all.");
    }
}
