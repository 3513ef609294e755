namespace NativeDiffusion.Runtime;

/// <summary>Guidance of one band of frequencies.</summary>
/// <param name="Scale">Guidance scale s of the band; 1 leaves it unguided (0 in the original formulation).</param>
/// <param name="Parallel">Factor of the difference's part along the conditional prediction.</param>
/// <param name="Rescale">Guidance rescale, 0 (none) to 1.</param>
public readonly record struct FrequencyBand(double Scale, double Parallel = 1, double Rescale = 0);

/// <summary>What frequency-decoupled guidance does.</summary>
public sealed record FrequencyGuidanceOptions
{
    /// <summary>Levels of the pyramids at most.</summary>
    public const int MostBands = 6;

    /// <summary>The bands, the finest first; 1 to 6. Each but the last halves the size.</summary>
    public required IReadOnlyList<FrequencyBand> Bands { get; init; }

    /// <summary>Whether scales count from the conditional prediction.</summary>
    public bool Original { get; init; }

    /// <summary>Whether each band is rescaled by its own share; else the whole prediction, by that of the first.</summary>
    public bool RescaleBands { get; init; }

    /// <summary>Whether each band is guided in the next run, for those that are at times only; null for all bands always. A band that is not is conditional.</summary>
    public IReadOnlyList<Slot<bool>>? On { get; init; }

    /// <summary>How many channels, the first, are combined; 0 for all.</summary>
    public int GuidedChannels { get; init; }

    /// <summary>Checks the bands, and that images can be halved as often as they ask.</summary>
    /// <exception cref="ArgumentException">A number is out of its range, or the size does not fit.</exception>
    public void Require(int height, int width)
    {
        if (Bands.Count is < 1 or > MostBands) throw new ArgumentException($"Frequency-decoupled guidance has 1 to {MostBands} bands; got {Bands.Count}.");
        if (On is not null && On.Count != Bands.Count) throw new ArgumentException($"Each of {Bands.Count} bands is on or off; got {On.Count} of that.");
        foreach (var band in Bands)
        {
            if (!double.IsFinite(band.Scale) || !double.IsFinite(band.Parallel)) throw new ArgumentException($"The numbers of a band are finite; got {band}.");
            if (!(band.Rescale is >= 0 and <= 1)) throw new ArgumentException($"The guidance rescale is 0 to 1; got {band.Rescale}.");
        }
        // The blur reads two pixels beyond a border, reflected, so the last but one level has at least four.
        int last = 1 << (Bands.Count - 1), least = Bands.Count == 1 ? 1 : 2 * last;
        if (height % last != 0 || width % last != 0 || height < least || width < least)
            throw new ArgumentException(
                $"{Bands.Count} bands need images that halve {Bands.Count - 1} times, to no less than 2 x 2; got {height} x {width}. Use fewer bands.");
    }
}
