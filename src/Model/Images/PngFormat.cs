namespace NativeDiffusion.Model.Images;

/// <summary>What reader and writer share (PNG specification, third edition: 4.5, 5, 8, 9).</summary>
internal static class PngFormat
{
    internal const int Grey = 0, Rgb = 2, Palette = 3, GreyAlpha = 4, Rgba = 6;

    internal const uint Ihdr = 0x49484452, Plte = 0x504c5445, Idat = 0x49444154, Iend = 0x49454e44, Trns = 0x74524e53;

    private static readonly uint[] CrcTable = MakeCrcTable();

    internal static ReadOnlySpan<byte> Signature => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0d, 0x0a, 0x1a, 0x0a];

    /// <summary>Origin and spacing of the seven Adam7 passes.</summary>
    internal static ReadOnlySpan<(byte X, byte Y, byte StepX, byte StepY)> Adam7 =>
        new (byte, byte, byte, byte)[] { (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2) };

    /// <summary>Samples per pixel, or 0 for a combination that the format does not have.</summary>
    internal static int SamplesPerPixel(int colourType, int depth) => (colourType, depth) switch
    {
        (Grey, 1 or 2 or 4 or 8 or 16) => 1,
        (Palette, 1 or 2 or 4 or 8) => 1,
        (Rgb, 8 or 16) => 3,
        (GreyAlpha, 8 or 16) => 2,
        (Rgba, 8 or 16) => 4,
        _ => 0,
    };

    /// <summary>CRC-32 (reflected polynomial 0xEDB88320) of a chunk's type and data.</summary>
    internal static uint Crc(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in bytes)
            crc = CrcTable[(byte)(crc ^ value)] ^ (crc >> 8);
        return ~crc;
    }

    /// <summary>Predicts from left, above and upper left: the one closest to left + above - upperLeft, ties in that order.</summary>
    internal static byte Paeth(byte left, byte above, byte upperLeft)
    {
        int toLeft = Math.Abs(above - upperLeft), toAbove = Math.Abs(left - upperLeft), toCorner = Math.Abs(left + above - 2 * upperLeft);
        return toLeft <= toAbove && toLeft <= toCorner ? left : toAbove <= toCorner ? above : upperLeft;
    }

    private static uint[] MakeCrcTable()
    {
        uint[] table = new uint[256];
        for (uint n = 0; n < 256; n++)
        {
            uint value = n;
            for (int bit = 0; bit < 8; bit++)
                value = (value & 1) != 0 ? 0xEDB88320u ^ (value >> 1) : value >> 1;
            table[n] = value;
        }

        return table;
    }
}
