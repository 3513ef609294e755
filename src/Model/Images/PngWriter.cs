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
    /// <param name="path">The file.</param>
    /// <param name="image">The picture.</param>
    /// <param name="texts">What the file says beside its pixels; null for nothing.</param>
    /// <exception cref="ArgumentException">A text's keyword is not allowed.</exception>
    /// <exception cref="IOException">The file cannot be written; the message names it.</exception>
    public static void Write(string path, Image image, IReadOnlyList<PngText>? texts = null)
    {
        byte[] file = Encode(image, texts);
        AtomicFile.Write(path, stream => stream.Write(file));
    }

    /// <summary>The bytes of a whole file.</summary>
    /// <param name="image">The picture.</param>
    /// <param name="texts">What the file says beside its pixels; null for nothing.</param>
    /// <exception cref="ArgumentException">A text's keyword is not allowed.</exception>
    public static byte[] Encode(Image image, IReadOnlyList<PngText>? texts = null)
    {
        ArgumentNullException.ThrowIfNull(image);
        MemoryStream file = Begin(image, texts);
        byte[] packed = Pack(image);
        WriteChunk(file, PngFormat.Idat, packed);
        WriteChunk(file, PngFormat.Iend, []);
        return file.ToArray();
    }

    /// <summary>
    /// The bytes of an animation (PNG specification, third edition: 11.3.5), which browsers play without end and other programs show the last frame of: that is the
    /// picture proper, and the frames before it are the way to it.
    /// </summary>
    /// <param name="frames">At least one, all of one size and number of channels.</param>
    /// <param name="milliseconds">How long each frame is shown, 1 to 65535.</param>
    /// <param name="lastMilliseconds">How long the last one is.</param>
    /// <param name="texts">What the file says beside its pixels; null for nothing.</param>
    /// <exception cref="ArgumentException">There is no frame, frames differ in size, a time is out of range, or a text's keyword is not allowed.</exception>
    public static byte[] EncodeAnimation(IReadOnlyList<Image> frames, int milliseconds, int lastMilliseconds, IReadOnlyList<PngText>? texts = null)
    {
        ArgumentNullException.ThrowIfNull(frames);
        if (frames.Count == 0) throw new ArgumentException("An animation needs at least one frame.");
        if (milliseconds is < 1 or > ushort.MaxValue || lastMilliseconds is < 1 or > ushort.MaxValue)
            throw new ArgumentException($"Frames are shown for 1 to {ushort.MaxValue} ms; got {milliseconds} and {lastMilliseconds}.");
        Image first = frames[0];
        foreach (Image frame in frames)
            if ((frame.Width, frame.Height, frame.Channels) != (first.Width, first.Height, first.Channels))
                throw new ArgumentException($"Frames are alike; got {first.Width} x {first.Height} x {first.Channels} and {frame.Width} x {frame.Height} x {frame.Channels}.");
        MemoryStream file = Begin(first, texts);
        byte[] control = new byte[8];
        BinaryPrimitives.WriteInt32BigEndian(control, frames.Count);
        WriteChunk(file, PngFormat.AnimationControl, control);
        // Outside the animation, for programs that know none.
        WriteChunk(file, PngFormat.Idat, Pack(frames[^1]));
        int number = 0;
        for (int i = 0; i < frames.Count; i++)
        {
            byte[] frame = new byte[26];
            BinaryPrimitives.WriteInt32BigEndian(frame, number++);
            BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(4), first.Width);
            BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(8), first.Height);
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(20), (ushort)(i == frames.Count - 1 ? lastMilliseconds : milliseconds));
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(22), 1000);
            WriteChunk(file, PngFormat.FrameControl, frame);
            byte[] packed = Pack(frames[i]), data = new byte[4 + packed.Length];
            BinaryPrimitives.WriteInt32BigEndian(data, number++);
            packed.CopyTo(data, 4);
            WriteChunk(file, PngFormat.FrameData, data);
        }
        WriteChunk(file, PngFormat.Iend, []);
        return file.ToArray();
    }

    private static MemoryStream Begin(Image image, IReadOnlyList<PngText>? texts)
    {
        byte[] header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, image.Width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), image.Height);
        header[8] = 8;
        header[9] = (byte)(image.Channels == 1 ? PngFormat.Grey : PngFormat.Rgb);
        MemoryStream file = new();
        file.Write(PngFormat.Signature);
        WriteChunk(file, PngFormat.Ihdr, header);
        foreach (PngText text in texts ?? [])
        {
            (uint type, byte[] data) = text.ToChunk();
            WriteChunk(file, type, data);
        }
        return file;
    }

    private static byte[] Pack(Image image)
    {
        MemoryStream packed = new();
        using (ZLibStream zlib = new(packed, CompressionLevel.Optimal, leaveOpen: true))
            WriteLines(zlib, image);
        return packed.ToArray();
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
