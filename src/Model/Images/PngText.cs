using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Images;

/// <summary>A text that a PNG file carries beside its pixels (PNG specification, third edition: 11.3.3).</summary>
/// <param name="Keyword">What it is, 1 to 79 characters of Latin-1 without spaces at the ends.</param>
/// <param name="Text">The text, with \n between lines.</param>
public sealed record PngText(string Keyword, string Text)
{
    private const int MostBytes = 1 << 24, LongestKeyword = 79;

    /// <summary>Reads the texts of a file, in their order; its pixels are not looked at.</summary>
    /// <param name="path">A PNG file.</param>
    /// <exception cref="InvalidDataException">It is no PNG, or a chunk is damaged; the message names the file.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    public static IReadOnlyList<PngText> Read(string path)
    {
        using var file = InputFile.Open(path);
        return Read(file, path);
    }

    /// <summary>Whether a file begins as a PNG does.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    public static bool IsPng(string path)
    {
        using var file = InputFile.Open(path);
        byte[] start = new byte[PngFormat.Signature.Length];
        return file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) == start.Length && PngFormat.Signature.SequenceEqual(start);
    }

    /// <summary>The chunk that holds the text: Latin-1 where that is enough, as other tools write it, else UTF-8.</summary>
    internal (uint Type, byte[] Data) ToChunk()
    {
        if (Keyword.Length is 0 or > LongestKeyword || Keyword.Trim(' ') != Keyword || Keyword.Any(c => !IsLatin(c)))
            throw new ArgumentException($"The keyword of a PNG text is 1 to {LongestKeyword} printable characters of Latin-1 without spaces at the ends; got '{Keyword}'.");
        if (Text.Contains('\0')) throw new ArgumentException($"The PNG text '{Keyword}' holds a zero character, which ends texts there.");
        byte[] keyword = Encoding.Latin1.GetBytes(Keyword);
        return Text.All(c => c == '\n' || IsLatin(c))
            ? (PngFormat.Text, [.. keyword, 0, .. Encoding.Latin1.GetBytes(Text)])
            : (PngFormat.InternationalText, [.. keyword, 0, 0, 0, 0, 0, .. Encoding.UTF8.GetBytes(Text)]);
    }

    internal static IReadOnlyList<PngText> Read(Stream file, string name)
    {
        byte[] head = new byte[8];
        if (file.ReadAtLeast(head, 8, throwOnEndOfStream: false) < 8 || !PngFormat.Signature.SequenceEqual(head)) throw new InvalidDataException($"'{name}' is no PNG file.");
        List<PngText> texts = [];
        while (file.ReadAtLeast(head, 8, throwOnEndOfStream: false) == 8)
        {
            uint length = BinaryPrimitives.ReadUInt32BigEndian(head), type = BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(4));
            if (type == PngFormat.Iend) return texts;
            if (length + 4L > file.Length - file.Position) throw new InvalidDataException($"'{name}' is truncated: a chunk declares {length} bytes and {file.Length - file.Position} remain.");
            if (type is not (PngFormat.Text or PngFormat.CompressedText or PngFormat.InternationalText))
            {
                file.Seek(length + 4L, SeekOrigin.Current);
                continue;
            }
            if (length > MostBytes) throw new InvalidDataException($"'{name}' has a text of {length} bytes; texts are read up to {MostBytes}.");
            byte[] chunk = new byte[4 + length + 4];
            head.AsSpan(4).CopyTo(chunk);
            file.ReadExactly(chunk.AsSpan(4));
            var data = chunk.AsSpan(4, (int)length);
            if (PngFormat.Crc(chunk.AsSpan(0, 4 + (int)length)) != BinaryPrimitives.ReadUInt32BigEndian(chunk.AsSpan(4 + (int)length)))
                throw new InvalidDataException($"'{name}': the check sum of a text is wrong.");
            texts.Add(Parse(type, data) ?? throw new InvalidDataException($"'{name}': a text is damaged."));
        }
        throw new InvalidDataException($"'{name}' is truncated: its last chunk is missing.");
    }

    private static PngText? Parse(uint type, ReadOnlySpan<byte> data)
    {
        int end = data.IndexOf((byte)0);
        if (end < 0) return null;
        string keyword = Encoding.Latin1.GetString(data[..end]);
        data = data[(end + 1)..];
        if (type == PngFormat.Text) return new PngText(keyword, Encoding.Latin1.GetString(data));
        if (type == PngFormat.CompressedText) return data.Length < 1 || data[0] != 0 || Inflate(data[1..]) is not { } latin ? null : new PngText(keyword, Encoding.Latin1.GetString(latin));
        if (data.Length < 2) return null;
        bool packed = data[0] == 1;
        // A language and a translated keyword stand before the text.
        data = data[2..];
        for (int skipped = 0; skipped < 2; skipped++)
        {
            end = data.IndexOf((byte)0);
            if (end < 0) return null;
            data = data[(end + 1)..];
        }
        byte[]? text = packed ? Inflate(data) : data.ToArray();
        return text is null ? null : new PngText(keyword, Encoding.UTF8.GetString(text));
    }

    private static byte[]? Inflate(ReadOnlySpan<byte> packed)
    {
        try
        {
            using var zlib = new ZLibStream(new MemoryStream(packed.ToArray()), CompressionMode.Decompress);
            byte[] buffer = new byte[MostBytes];
            int length = zlib.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
            return length == buffer.Length ? null : buffer[..length];
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }

    private static bool IsLatin(char c) => c is (>= ' ' and <= '~') or (>= '\u00a1' and <= '\u00ff');
}
