using System.Buffers.Binary;

namespace NativeDiffusion.Model.Images;

/// <summary>The content of an IHDR chunk.</summary>
internal sealed record PngHeader(int Width, int Height, int Depth, int ColourType, bool Interlaced)
{
    internal int SamplesPerPixel => PngFormat.SamplesPerPixel(ColourType, Depth);

    /// <summary>Null if the chunk breaks a rule of the format.</summary>
    internal static PngHeader? Parse(ReadOnlySpan<byte> data)
    {
        if (data.Length != 13)
            return null;
        int width = BinaryPrimitives.ReadInt32BigEndian(data), height = BinaryPrimitives.ReadInt32BigEndian(data[4..]);
        int depth = data[8], colourType = data[9];
        bool sound = width > 0 && height > 0 && PngFormat.SamplesPerPixel(colourType, depth) > 0 && data[10] == 0 && data[11] == 0 && data[12] < 2;
        return sound ? new PngHeader(width, height, depth, colourType, data[12] == 1) : null;
    }

    internal bool AllowsTransparency(int length, byte[]? palette) => ColourType switch
    {
        PngFormat.Grey => length == 2,
        PngFormat.Rgb => length == 6,
        PngFormat.Palette => palette is not null && length <= palette.Length / 3,
        _ => false,
    };

    /// <summary>Bytes in a line of <paramref name="width"/> pixels, without the filter byte.</summary>
    internal int LineBytes(int width) => (int)(((long)width * SamplesPerPixel * Depth + 7) / 8);

    /// <summary>Size of the pixels in the interlaced pass, which may be empty.</summary>
    internal (int Width, int Height) PassSize((byte X, byte Y, byte StepX, byte StepY) pass) =>
        ((Width - pass.X + pass.StepX - 1) / pass.StepX, (Height - pass.Y + pass.StepY - 1) / pass.StepY);

    /// <summary>The passes of this picture: seven, or one that covers everything.</summary>
    internal ReadOnlySpan<(byte X, byte Y, byte StepX, byte StepY)> Passes() =>
        Interlaced ? PngFormat.Adam7 : new (byte, byte, byte, byte)[] { (0, 0, 1, 1) };

    /// <summary>Bytes of all lines with their filter bytes, before compression.</summary>
    internal long RawBytes()
    {
        long total = 0;
        foreach ((byte X, byte Y, byte StepX, byte StepY) pass in Passes())
        {
            (int width, int height) = PassSize(pass);
            if (width > 0)
                total += height * (1L + LineBytes(width));
        }

        return total;
    }
}
