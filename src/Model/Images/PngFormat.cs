namespace NativeDiffusion.Model.Images;

/// <summary>What writing pictures and reading their texts share (PNG specification, third edition: 4.5, 5, 8, 9).</summary>
internal static class PngFormat
{
    internal const int Grey = 0, Rgb = 2;

    internal const uint Ihdr = 0x49484452, Idat = 0x49444154, Iend = 0x49454e44, Text = 0x74455874, CompressedText = 0x7a545874, InternationalText = 0x69545874;

    internal const uint AnimationControl = 0x6163544c, FrameControl = 0x6663544c, FrameData = 0x66644154;

    private static readonly uint[] CrcTable = MakeCrcTable();

    internal static ReadOnlySpan<byte> Signature => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0d, 0x0a, 0x1a, 0x0a];

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
