using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace NativeDiffusion.Model.Classifiers;

/// <summary>The architecture of an <see cref="ImageClassifier"/>, and the names of its classes.</summary>
public sealed record ClassifierConfig
{
    private const int LargestSide = 1024, LargestWidth = 4096, MostClasses = 1 << 20;

    /// <summary>Height and width of the network's images, divisible by 2^(Levels - 1); smaller images are padded to it.</summary>
    public int ImageSize { get; init; } = 32;

    /// <summary>Channels of the images: 1 grey, 3 RGB.</summary>
    public int InChannels { get; init; } = 1;

    /// <summary>Channels at full resolution, a multiple of 8; each level has twice those of the level before.</summary>
    public int Width { get; init; } = 16;

    /// <summary>Residual blocks per level.</summary>
    public int Blocks { get; init; } = 1;

    /// <summary>Number of resolutions, each half the one before.</summary>
    public int Levels { get; init; } = 4;

    /// <summary>Groups of every GroupNorm; divides the width.</summary>
    public int NormGroups { get; init; } = 8;

    /// <summary>Names of the classes; their indices are the labels.</summary>
    public ImmutableArray<string> ClassNames { get; init; } = [];

    /// <summary>Number of classes.</summary>
    [JsonIgnore]
    public int Classes => ClassNames.Length;

    /// <summary>Length of the vector before the last layer.</summary>
    [JsonIgnore]
    public int FeatureCount => WidthAt(Levels - 1);

    /// <summary>The smallest image size that takes images of <paramref name="side"/> pixels after <paramref name="levels"/> - 1 halvings.</summary>
    public static int ImageSizeFor(int side, int levels)
    {
        int multiple = 1 << (levels - 1);
        return (side + multiple - 1) / multiple * multiple;
    }

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">A value is out of range; the message names it.</exception>
    public void Validate()
    {
        static void Require(bool ok, string message)
        {
            if (!ok) throw new ArgumentException(message);
        }
        Require(Levels is >= 1 and <= 8, $"A classifier has 1 to 8 levels; got {Levels}.");
        int multiple = 1 << (Levels - 1);
        Require(ImageSize is >= 1 and <= LargestSide && ImageSize % multiple == 0,
            $"The image size of a classifier of {Levels} levels is a multiple of {multiple}, at most {LargestSide}; got {ImageSize}.");
        Require(InChannels is >= 1 and <= 16, $"A classifier takes 1 to 16 image channels; got {InChannels}.");
        Require(Width is >= 8 and <= LargestWidth && Width % 8 == 0 && WidthAt(Levels - 1) <= LargestWidth,
            $"A classifier's width is a multiple of 8, at most {LargestWidth} at the last level; got {Width} over {Levels} levels.");
        Require(Blocks is >= 1 and <= 64, $"A classifier has 1 to 64 blocks per level; got {Blocks}.");
        Require(NormGroups >= 1 && Width % NormGroups == 0, $"The norm groups divide the width {Width}; got {NormGroups}.");
        Require(!ClassNames.IsDefault && Classes is >= 2 and <= MostClasses,
            $"A classifier has 2 to {MostClasses} classes; got {(ClassNames.IsDefault ? 0 : Classes)}.");
        Require(ClassNames.All(name => name is not null), "A class name of the classifier is null.");
    }

    internal int WidthAt(int level) => Width << level;
}
