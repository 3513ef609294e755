using System.Text.Json.Serialization;

namespace NativeDiffusion.Pictures;

/// <summary>What a pack says behind its pixels.</summary>
internal sealed record PackIndex
{
    public required int Count { get; init; }

    public required int Height { get; init; }

    public required int Width { get; init; }

    public required int Channels { get; init; }

    public required string[] ClassNames { get; init; }

    public required LeftOutPicture[] Bad { get; init; }

    /// <summary>Pictures that were smaller than the pack's size.</summary>
    public required int Enlarged { get; init; }

    /// <summary>SHA-256 of the pixels, sides and labels.</summary>
    public required string Hash { get; init; }
}

/// <summary>Reads and writes <see cref="PackIndex"/> without reflection.</summary>
[JsonSerializable(typeof(PackIndex))]
internal sealed partial class PackJson : JsonSerializerContext;
