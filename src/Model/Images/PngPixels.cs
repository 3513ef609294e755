using System.Buffers.Binary;

namespace NativeDiffusion.Model.Images;

/// <summary>Turns the inflated lines of a PNG into 8-bit grey or RGB.</summary>
internal sealed class PngPixels
{
    private readonly byte[]? _palette;
    private readonly byte[]? _transparency;
    private readonly int _samples;

    /// <summary>The chunks must have been checked: the palette is there if needed, the transparency has the right length.</summary>
    internal PngPixels(PngHeader header, byte[]? palette, byte[]? transparency)
    {
        Header = header;
        _palette = palette;
        _transparency = transparency;
        _samples = header.SamplesPerPixel;
        bool grey = header.ColourType switch
        {
            PngFormat.Grey or PngFormat.GreyAlpha => true,
            PngFormat.Palette => IsGrey(palette!),
            _ => false,
        };
        Channels = grey ? 1 : 3;
    }

    internal PngHeader Header { get; }

    internal int Channels { get; }

    /// <summary>Reads every line of every pass.</summary>
    /// <exception cref="InvalidDataException">The stream ends early, or a filter or palette index does not exist.</exception>
    internal byte[] Decode(Stream raw)
    {
        byte[] result = new byte[Header.Width * Header.Height * Channels];
        byte[] line = new byte[1 + Header.LineBytes(Header.Width)], above = new byte[line.Length];
        int pixelBytes = Math.Max(1, _samples * Header.Depth / 8);
        foreach ((byte X, byte Y, byte StepX, byte StepY) pass in Header.Passes())
        {
            (int width, int height) = Header.PassSize(pass);
            if (width <= 0)
                continue;
            int length = Header.LineBytes(width);
            Array.Clear(above);
            for (int y = 0; y < height; y++)
            {
                if (raw.ReadAtLeast(line.AsSpan(0, 1 + length), 1 + length, throwOnEndOfStream: false) < 1 + length)
                    throw new InvalidDataException("it ends before the last line");
                Unfilter(line[0], line.AsSpan(1, length), above.AsSpan(1, length), pixelBytes);
                int row = (pass.Y + y * pass.StepY) * Header.Width;
                for (int x = 0; x < width; x++)
                    WritePixel(line.AsSpan(1, length), x, result.AsSpan((row + pass.X + x * pass.StepX) * Channels, Channels));
                (line, above) = (above, line);
            }
        }

        return result;
    }

    private static void Unfilter(byte filter, Span<byte> line, ReadOnlySpan<byte> above, int pixelBytes)
    {
        for (int i = 0; i < line.Length; i++)
        {
            byte left = i >= pixelBytes ? line[i - pixelBytes] : (byte)0;
            line[i] += filter switch
            {
                0 => (byte)0,
                1 => left,
                2 => above[i],
                3 => (byte)((left + above[i]) / 2),
                4 => PngFormat.Paeth(left, above[i], i >= pixelBytes ? above[i - pixelBytes] : (byte)0),
                _ => throw new InvalidDataException($"line filter {filter} does not exist"),
            };
        }
    }

    private static bool IsGrey(ReadOnlySpan<byte> palette)
    {
        for (int i = 0; i < palette.Length; i += 3)
            if (palette[i] != palette[i + 1] || palette[i] != palette[i + 2])
                return false;
        return true;
    }

    private static byte OverWhite(int value, int alpha) => (byte)((value * alpha + 255 * (255 - alpha) + 127) / 255);

    private void WritePixel(ReadOnlySpan<byte> line, int x, Span<byte> destination)
    {
        if (Header.ColourType == PngFormat.Palette)
        {
            int index = Sample(line, x);
            if (index * 3 >= _palette!.Length)
                throw new InvalidDataException($"palette index {index} is not below {_palette.Length / 3}");
            int alpha = _transparency is not null && index < _transparency.Length ? _transparency[index] : 255;
            for (int c = 0; c < destination.Length; c++)
                destination[c] = OverWhite(_palette[index * 3 + c], alpha);
            return;
        }

        int opacity = Header.ColourType is PngFormat.GreyAlpha or PngFormat.Rgba
            ? ToByte(Sample(line, x * _samples + _samples - 1))
            : IsTransparent(line, x) ? 0 : 255;
        for (int c = 0; c < destination.Length; c++)
            destination[c] = OverWhite(ToByte(Sample(line, x * _samples + c)), opacity);
    }

    private bool IsTransparent(ReadOnlySpan<byte> line, int x)
    {
        if (_transparency is null)
            return false;
        // The colour is given in 16 bits, of which only the lowest `Depth` count.
        int mask = (1 << Header.Depth) - 1;
        for (int c = 0; c < _samples; c++)
            if (Sample(line, x * _samples + c) != (BinaryPrimitives.ReadUInt16BigEndian(_transparency.AsSpan(2 * c)) & mask))
                return false;
        return true;
    }

    private int Sample(ReadOnlySpan<byte> line, int index)
    {
        int depth = Header.Depth;
        if (depth == 8)
            return line[index];
        if (depth == 16)
            return BinaryPrimitives.ReadUInt16BigEndian(line[(2 * index)..]);
        int bit = index * depth;
        return (line[bit >> 3] >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
    }

    private byte ToByte(int sample) => Header.Depth switch
    {
        8 => (byte)sample,
        16 => (byte)((sample * 255 + 32767) / 65535),
        int depth => (byte)(sample * 255 / ((1 << depth) - 1)),
    };
}
