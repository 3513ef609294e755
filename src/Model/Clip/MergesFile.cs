using System.IO.Compression;
using System.Text;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Clip;

/// <summary>The symbols and merges of a vocabulary file.</summary>
internal sealed class MergesFile
{
    /// <summary>What the last symbol of a word ends with.</summary>
    public const string WordEnd = "</w>";

    private const int LongestLine = 4096;

    // Bytes stand as printable characters: these as themselves, the others as those from 256 on.
    private static readonly (int First, int Last)[] Printable = [(33, 126), (161, 172), (174, 255)];

    private MergesFile(Dictionary<(int, int), (int, int)> merges, int symbols) => (Merges, SymbolCount) = (merges, symbols);

    /// <summary>The bytes in the order of their symbols: the printable ones, then the others.</summary>
    public static byte[] ByteOrder { get; } =
        [.. Enumerable.Range(0, 256).Where(IsPrintable).Concat(Enumerable.Range(0, 256).Where(b => !IsPrintable(b))).Select(b => (byte)b)];

    private static readonly char[] Characters =
        [.. ByteOrder.Select((b, i) => IsPrintable(b) ? (char)b : (char)(256 + i - Enumerable.Range(0, 256).Count(IsPrintable)))];

    /// <summary>Rank and result of a pair of symbols.</summary>
    public Dictionary<(int Left, int Right), (int Rank, int Id)> Merges { get; }

    /// <summary>Number of symbols: bytes, bytes that end a word, merges.</summary>
    public int SymbolCount { get; }

    public static MergesFile Read(string path)
    {
        using var file = InputFile.Open(path);
        Span<byte> magic = stackalloc byte[2];
        bool compressed = file.ReadAtLeast(magic, 2, throwOnEndOfStream: false) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
        file.Position = 0;
        using Stream content = compressed ? new GZipStream(file, CompressionMode.Decompress) : file;
        using var reader = new StreamReader(content, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true), detectEncodingFromByteOrderMarks: false);
        try
        {
            return Read(reader, path);
        }
        catch (Exception e) when (e is InvalidDataException or DecoderFallbackException)
        {
            throw new FormatException($"{path}: is neither UTF-8 text nor such text compressed by gzip.", e);
        }
    }

    private static MergesFile Read(StreamReader reader, string path)
    {
        var symbols = new List<string>(49408);
        foreach (char c in Characters) symbols.Add(c.ToString());
        foreach (char c in Characters) symbols.Add(c + WordEnd);
        var pairs = new List<(string Left, string Right)>();
        _ = Line(reader, path, 0);
        for (int number = 1; pairs.Count < ClipTokenizer.MostMerges && Line(reader, path, number) is { } line; number++)
        {
            string[] parts = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (parts.Length == 0) continue;
            if (parts.Length != 2) throw new FormatException($"{path}: line {number + 1} has {parts.Length} symbols, not the two of a merge.");
            pairs.Add((parts[0], parts[1]));
            symbols.Add(parts[0] + parts[1]);
        }
        // Of symbols with the same text, the last one's id stands for them.
        var ids = new Dictionary<string, int>(symbols.Count);
        for (int i = 0; i < symbols.Count; i++) ids[symbols[i]] = i;
        var merges = new Dictionary<(int, int), (int, int)>(pairs.Count);
        for (int rank = 0; rank < pairs.Count; rank++)
        {
            var (left, right) = pairs[rank];
            if (!ids.TryGetValue(left, out int first) || !ids.TryGetValue(right, out int second))
                throw new FormatException($"{path}: merge {rank + 1}, of '{left}' and '{right}', names a symbol that is neither a byte nor the result of a merge.");
            merges[(first, second)] = (rank, ids[left + right]);
        }
        return new MergesFile(merges, symbols.Count);
    }

    /// <summary>The next line, or null at the end; no more than a few kilobytes are taken for one.</summary>
    private static string? Line(StreamReader reader, string path, int number)
    {
        var line = new StringBuilder();
        int c;
        while ((c = reader.Read()) >= 0 && c != '\n')
        {
            if (line.Length == LongestLine) throw new FormatException($"{path}: line {number + 1} is longer than {LongestLine} characters, so this is no vocabulary of merges.");
            line.Append((char)c);
        }
        return c < 0 && line.Length == 0 ? null : line.ToString();
    }

    private static bool IsPrintable(int b) => Printable.Any(range => b >= range.First && b <= range.Last);
}
