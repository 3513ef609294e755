using System.Buffers.Binary;
using System.IO.Compression;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Images;

/// <summary>
/// Writes 8-bit grey or RGB PNG pictures without interlacing. Every line takes the filter whose output, read as signed bytes, has the
/// smallest sum of magnitudes. The same pixels give the same bytes on one version of the .NET runtime.
/// </summary>
public static class PngWriter
{
    private const int FilterCount = 5;

    /// <summary>Writes one file, which replaces <paramref name="path"/> only when it is complete.</summary>
    /// <exception cref="IOException">The file cannot be written; the message names it.</exception>
    public static void Write(string path, Image image)
    {
        byte[] file = Encode(image);
        AtomicFile.Write(path, stream => stream.Write(file));
    }

    /// <summary>The bytes of a whole file.</summary>
    public static byte[] Encode(Image image)
    {
        ArgumentNullException.ThrowIfNull(image);
        byte[] header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, image.Width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), image.Height);
        header[8] = 8;
        header[9] = (byte)(image.Channels == 1 ? PngFormat.Grey : PngFormat.Rgb);

        MemoryStream packed = new();
        using (ZLibStream zlib = new(packed, CompressionLevel.Optimal, leaveOpen: true))
            WriteLines(zlib, image);

        MemoryStream file = new();
        file.Write(PngFormat.Signature);
        WriteChunk(file, PngFormat.Ihdr, header);
        WriteChunk(file, PngFormat.Idat, packed.GetBuffer().AsSpan(0, (int)packed.Length));
        WriteChunk(file, PngFormat.Iend, []);
        return file.ToArray();
    }

    private static void WriteLines(Stream zlib, Image image)
    {
        int length = image.Width * image.Channels;
        ReadOnlySpan<byte> pixels = image.Pixels.Span, above = new byte[length];
        byte[] candidate = new byte[1 + length], best = new byte[1 + length];
        for (int y = 0; y < image.Height; y++)
        {
            ReadOnlySpan<byte> line = pixels.Slice(y * length, length);
            long least = long.MaxValue;
            for (byte filter = 0; filter < FilterCount; filter++)
            {
                candidate[0] = filter;
                long sum = Filter(filter, line, above, image.Channels, candidate.AsSpan(1));
                if (sum >= least)
                    continue;
                least = sum;
                (candidate, best) = (best, candidate);
            }

            zlib.Write(best);
            above = line;
        }
    }

    /// <summary>Writes the filtered line and returns its sum of magnitudes.</summary>
    private static long Filter(byte filter, ReadOnlySpan<byte> line, ReadOnlySpan<byte> above, int pixelBytes, Span<byte> destination)
    {
        long sum = 0;
        for (int i = 0; i < line.Length; i++)
        {
            byte left = i >= pixelBytes ? line[i - pixelBytes] : (byte)0;
            byte predicted = filter switch
            {
                0 => 0,
                1 => left,
                2 => above[i],
                3 => (byte)((left + above[i]) / 2),
                _ => PngFormat.Paeth(left, above[i], i >= pixelBytes ? above[i - pixelBytes] : (byte)0),
            };
            destination[i] = (byte)(line[i] - predicted);
            sum += Math.Abs((int)(sbyte)destination[i]);
        }

        return sum;
    }

    private static void WriteChunk(Stream file, uint type, ReadOnlySpan<byte> data)
    {
        byte[] typeAndData = new byte[4 + data.Length];
        BinaryPrimitives.WriteUInt32BigEndian(typeAndData, type);
        data.CopyTo(typeAndData.AsSpan(4));
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
        file.Write(number);
        file.Write(typeAndData);
        BinaryPrimitives.WriteUInt32BigEndian(number, PngFormat.Crc(typeAndData));
        file.Write(number);
    }
}
