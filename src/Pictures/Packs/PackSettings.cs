namespace NativeDiffusion.Pictures;

/// <summary>Which part of a picture that is not square is trained on.</summary>
public enum PictureCrop
{
    /// <summary>The middle.</summary>
    Centre,

    /// <summary>Another part in each step.</summary>
    Random,
}

/// <summary>How pictures are brought to one size.</summary>
public sealed record PackSettings
{
    /// <summary>
    /// Height and width: the shorter side of every picture is resized to it (antialiased bicubic), and the longer one cut. Null leaves pictures as they are, which then
    /// must have one size.
    /// </summary>
    public int? Size { get; init; }

    /// <summary>What is cut.</summary>
    public PictureCrop Crop { get; init; }

    /// <summary>Leaves out files that cannot be read, instead of failing at the first.</summary>
    public bool SkipBad { get; init; }

    internal void Validate()
    {
        if (Size is < 4 or > 2048) throw new ArgumentException($"Pictures are brought to a size of 4 to 2048; got {Size}.");
        if (!Enum.IsDefined(Crop)) throw new ArgumentException($"There is no crop {Crop}; choose one of {string.Join(", ", Enum.GetNames<PictureCrop>())}.");
        if (Size is null && Crop == PictureCrop.Random) throw new ArgumentException("A random crop needs the size of the crop; pictures as they are have nothing to cut.");
    }
}
