using System.Buffers.Binary;
using System.IO.Compression;

namespace NativeDiffusion.Tests.Images;

/// <summary>A slow encoder of every kind of PNG, sharing no code with the library, and the picture that must come out of it.</summary>
internal sealed record TestPng(int Width, int Height, int ColourType, int Depth, bool Interlaced)
{
    private const int PaletteSize = 200;

    /// <summary>Samples [height, width, samples per pixel]; palette indices for colour type 3.</summary>
    public required int[] Samples { get; init; }

    public byte[]? Palette { get; init; }

    public byte[]? Transparency { get; init; }

    /// <summary>Filter of line y in each pass is (First + y) % 5.</summary>
    public int FirstFilter { get; init; }

    public static IEnumerable<(int ColourType, int Depth)> Kinds()
    {
        foreach (int depth in new[] { 1, 2, 4, 8, 16 })
            yield return (0, depth);
        foreach (int depth in new[] { 1, 2, 4, 8 })
            yield return (3, depth);
        foreach (int type in new[] { 2, 4, 6 })
            foreach (int depth in new[] { 8, 16 })
                yield return (type, depth);
    }

    public static TestPng Make(int width, int height, int colourType, int depth, bool interlaced, bool transparent, int seed)
    {
        Random random = new(seed);
        int perPixel = PerPixel(colourType), colours = Math.Min(1 << depth, PaletteSize);
        int[] samples = Enumerable.Range(0, width * height * perPixel).Select(_ => random.Next(colourType == 3 ? colours : 1 << depth)).ToArray();
        byte[]? palette = null, transparency = null;
        if (colourType == 3)
        {
            palette = new byte[3 * colours];
            random.NextBytes(palette);
        }

        if (transparent && colourType == 3)
        {
            transparency = new byte[colours - 1];
            random.NextBytes(transparency);
        }
        else if (transparent && colourType is 0 or 2)
        {
            // The colour of the first pixel, so that at least that one disappears.
            transparency = samples[..perPixel].SelectMany(value => new[] { (byte)(value >> 8), (byte)value }).ToArray();
        }

        return new TestPng(width, height, colourType, depth, interlaced)
        {
            Samples = samples, Palette = palette, Transparency = transparency, FirstFilter = seed,
        };
    }

    /// <summary>Composites in floating point, always as RGB.</summary>
    public byte[] ExpectedRgb()
    {
        byte[] rgb = new byte[Width * Height * 3];
        int perPixel = PerPixel(ColourType);
        // The decoder leaves the lower byte of 16 bits out.
        double ToByte(int sample) => Depth == 16 ? sample >> 8 : Math.Floor(sample / ((1 << Depth) - 1.0) * 255 + 0.5);
        for (int p = 0; p < Width * Height; p++)
        {
            ReadOnlySpan<int> pixel = Samples.AsSpan(p * perPixel, perPixel);
            bool alphaChannel = ColourType is 4 or 6;
            double alpha = alphaChannel ? ToByte(pixel[^1]) : 255;
            if (ColourType is 0 or 2 && Transparency is not null)
            {
                bool same = true;
                for (int c = 0; c < perPixel; c++)
                    same &= pixel[c] == Transparency[2 * c] * 256 + Transparency[2 * c + 1];
                alpha = same ? 0 : 255;
            }

            if (ColourType == 3 && Transparency is not null && pixel[0] < Transparency.Length)
                alpha = Transparency[pixel[0]];
            for (int c = 0; c < 3; c++)
            {
                double value = ColourType switch
                {
                    3 => Palette![3 * pixel[0] + c],
                    2 or 6 => ToByte(pixel[c]),
                    _ => ToByte(pixel[0]),
                };
                rgb[3 * p + c] = (byte)Math.Floor((value * alpha + 255 * (255 - alpha)) / 255 + 0.5);
            }
        }

        return rgb;
    }

    public byte[] Encode(int dataChunkBytes = 50)
    {
        byte[] header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, Width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), Height);
        header[8] = (byte)Depth;
        header[9] = (byte)ColourType;
        header[12] = Interlaced ? (byte)1 : (byte)0;
        List<byte> file = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, .. Chunk("IHDR", header), .. Chunk("tEXt", "a\0b"u8.ToArray())];
        if (Palette is not null)
            file.AddRange(Chunk("PLTE", Palette));
        if (Transparency is not null)
            file.AddRange(Chunk("tRNS", Transparency));
        MemoryStream packed = new();
        using (ZLibStream zlib = new(packed, CompressionLevel.Optimal, leaveOpen: true))
            zlib.Write(Lines());
        foreach (byte[] part in packed.ToArray().Chunk(dataChunkBytes))
            file.AddRange(Chunk("IDAT", part));
        file.AddRange(Chunk("IEND", []));
        return [.. file];
    }

    public static byte[] Chunk(string type, byte[] data)
    {
        byte[] chunk = [0, 0, 0, 0, .. type.Select(letter => (byte)letter), .. data, 0, 0, 0, 0];
        BinaryPrimitives.WriteInt32BigEndian(chunk, data.Length);
        BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(8 + data.Length), Crc(chunk.AsSpan(4, 4 + data.Length)));
        return chunk;
    }

    public static uint Crc(ReadOnlySpan<byte> bytes)
    {
        uint crc = 0xffffffff;
        foreach (byte value in bytes)
            for (int bit = 0; bit < 8; bit++)
                crc = ((crc ^ (uint)(value >> bit)) & 1) != 0 ? (crc >> 1) ^ 0xedb88320 : crc >> 1;
        return crc ^ 0xffffffff;
    }

    private static int PerPixel(int colourType) => colourType switch { 2 => 3, 4 => 2, 6 => 4, _ => 1 };

    private byte[] Lines()
    {
        // Which pass a pixel belongs to, as the 8 x 8 table printed in the specification.
        string adam7 = "1646264677777777565656567777777736463646777777775656565677777777";
        List<byte> all = [];
        for (int pass = 1; pass <= (Interlaced ? 7 : 1); pass++)
        {
            byte[] above = [];
            int lineNumber = 0;
            for (int y = 0; y < Height; y++)
            {
                int[] columns = Enumerable.Range(0, Width).Where(x => !Interlaced || adam7[y % 8 * 8 + x % 8] - '0' == pass).ToArray();
                if (columns.Length == 0)
                    continue;
                byte[] line = PackLine(y, columns);
                if (above.Length == 0)
                    above = new byte[line.Length];
                int filter = (FirstFilter + lineNumber++) % 5;
                all.Add((byte)filter);
                all.AddRange(FilterLine(filter, line, above));
                above = line;
            }
        }

        return [.. all];
    }

    private byte[] PackLine(int y, int[] columns)
    {
        int perPixel = PerPixel(ColourType);
        string bits = string.Concat(columns.SelectMany(x => Enumerable.Range(0, perPixel)
            .Select(c => Convert.ToString(Samples[(y * Width + x) * perPixel + c], 2).PadLeft(Depth, '0'))));
        bits = bits.PadRight((bits.Length + 7) / 8 * 8, '0');
        return bits.Chunk(8).Select(eight => Convert.ToByte(new string(eight), 2)).ToArray();
    }

    private byte[] FilterLine(int filter, byte[] line, byte[] above)
    {
        int step = Math.Max(1, PerPixel(ColourType) * Depth / 8);
        return line.Select((value, i) =>
        {
            int a = i < step ? 0 : line[i - step], b = above[i], c = i < step ? 0 : above[i - step];
            int p = a + b - c;
            int paeth = new[] { a, b, c }.MinBy(candidate => Math.Abs(p - candidate));
            return (byte)(value - new[] { 0, a, b, (a + b) >> 1, paeth }[filter]);
        }).ToArray();
    }
}
