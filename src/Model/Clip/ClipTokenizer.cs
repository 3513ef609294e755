using System.Collections.Concurrent;
using System.Globalization;
using System.Text;

namespace NativeDiffusion.Model.Clip;

/// <summary>
/// CLIP's byte-pair encoding (Sennrich et al., arXiv 1508.07909): words as bytes, of which pairs are merged, those of the lowest rank first. The
/// vocabulary is the user's file of merges, <c>bpe_simple_vocab_16e6.txt</c> or the same compressed by gzip.
/// </summary>
public sealed class ClipTokenizer
{
    /// <summary>Merges of the published vocabulary; those of a file beyond it are left alone, as published.</summary>
    internal const int MostMerges = 49152 - 256 - 2;

    // A word takes time that grows with the square of its length.
    private const int MostBytes = 10_000;
    private const int MostCachedWords = 100_000;
    private const int Space = 0, Letter = 1, Digit = 2, Other = 3;
    private const string StartText = "<|startoftext|>", EndText = "<|endoftext|>";

    private static readonly string[] Suffixes = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

    private readonly Dictionary<(int Left, int Right), (int Rank, int Id)> _merges;
    private readonly int _symbols;
    private readonly int[] _byteIds = new int[256];
    private readonly ConcurrentDictionary<string, int[]> _words = new();

    private ClipTokenizer(MergesFile file)
    {
        (_merges, _symbols) = (file.Merges, file.SymbolCount);
        for (int i = 0; i < 256; i++) _byteIds[MergesFile.ByteOrder[i]] = i;
    }

    /// <summary>Number of tokens: 49408 for the published vocabulary.</summary>
    public int VocabularySize => _symbols + 2;

    /// <summary>Id of the token before a text.</summary>
    public int Start => _symbols;

    /// <summary>Id of the token after a text, the largest.</summary>
    public int End => _symbols + 1;

    /// <summary>Reads a file of merges: a header, then a pair of symbols per line, those to be merged first first. Plain text or gzip.</summary>
    /// <exception cref="FormatException">A line is no pair of known symbols; the message names file and line.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static ClipTokenizer Load(string path) => new(MergesFile.Read(path));

    /// <summary>
    /// Ids of a text's tokens, without start and end. The text is repaired (<see cref="TextRepair"/>), its white space made single spaces, its letters
    /// lower case; words are runs of letters, single digits, runs of other characters, and the endings 's 't 're 've 'm 'll 'd.
    /// </summary>
    /// <exception cref="ArgumentException">A word is longer than 10000 bytes.</exception>
    public int[] Encode(string text) => [.. Ids(text)];

    /// <summary>A text as CLIP takes it: start, tokens, end, then zeros.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="contextLength">Tokens of the result (<see cref="ClipConfig.ContextLength"/>).</param>
    /// <param name="truncate">Whether a text that is too long loses what does not fit, so that the last token is still the end.</param>
    /// <exception cref="ArgumentException">The text is too long and must not be truncated.</exception>
    public int[] Tokenize(string text, int contextLength = 77, bool truncate = false)
    {
        if (contextLength < 2) throw new ArgumentOutOfRangeException(nameof(contextLength), contextLength, "A context has room for start and end at least.");
        int[] result = new int[contextLength];
        result[0] = Start;
        int length = 1;
        foreach (int id in Ids(text))
        {
            if (length == contextLength - 1)
            {
                if (truncate) break;
                throw new ArgumentException($"The text has more than the {contextLength - 2} tokens that fit a context of {contextLength}; shorten it, or have it truncated: '{Excerpt(text)}'.");
            }
            result[length++] = id;
        }
        result[length] = End;
        return result;
    }

    private static string Excerpt(string text) => text.Length <= 60 ? text : text[..60] + "...";

    private IEnumerable<int> Ids(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        foreach (string word in Words(TextRepair.Clean(text)))
            foreach (int id in WordIds(word))
                yield return id;
    }

    /// <summary>A word's ids, each of which is kept for the next time.</summary>
    private int[] WordIds(string word)
    {
        if (word == StartText) return [Start];
        if (word == EndText) return [End];
        if (_words.TryGetValue(word, out int[]? known)) return known;
        int[] ids = Merge(word);
        if (_words.Count < MostCachedWords) _words[word] = ids;
        return ids;
    }

    private int[] Merge(string word)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(word);
        if (bytes.Length > MostBytes) throw new ArgumentException($"A word of {bytes.Length} bytes is longer than the {MostBytes} that are encoded: '{Excerpt(word)}'.");
        int[] ids = [.. bytes.Select(b => _byteIds[b])];
        // The symbols that end a word follow the 256 others in the same order.
        ids[^1] += 256;
        int length = ids.Length;
        while (length > 1)
        {
            (int Rank, int Id) best = (int.MaxValue, 0);
            (int, int) pair = default;
            for (int i = 1; i < length; i++)
                if (_merges.TryGetValue((ids[i - 1], ids[i]), out var merge) && merge.Rank < best.Rank)
                    (best, pair) = (merge, (ids[i - 1], ids[i]));
            if (best.Rank == int.MaxValue) break;
            int to = 0;
            for (int i = 0; i < length; i++)
            {
                bool merged = i + 1 < length && (ids[i], ids[i + 1]) == pair;
                ids[to++] = merged ? best.Id : ids[i];
                if (merged) i++;
            }
            length = to;
        }
        return ids[..length];
    }

    private static IEnumerable<string> Words(string text)
    {
        int at = 0;
        while (at < text.Length)
        {
            if (char.IsWhiteSpace(text[at]))
            {
                at++;
                continue;
            }
            int end = WordEnd(text, at);
            yield return text[at..end];
            at = end;
        }
    }

    private static int WordEnd(string text, int start)
    {
        foreach (string special in (ReadOnlySpan<string>)[StartText, EndText])
            if (string.CompareOrdinal(text, start, special, 0, special.Length) == 0) return start + special.Length;
        foreach (string suffix in Suffixes)
            if (string.CompareOrdinal(text, start, suffix, 0, suffix.Length) == 0) return start + suffix.Length;
        int kind = Kind(text, start, out int end);
        if (kind == Digit) return end;
        while (end < text.Length && Kind(text, end, out int next) == kind) end = next;
        return end;
    }

    /// <summary>Kind of the character at a place, which may be a pair of code units, and where the next one is.</summary>
    private static int Kind(string text, int at, out int next)
    {
        if (!Rune.TryGetRuneAt(text, at, out var rune)) rune = Rune.ReplacementChar;
        next = at + rune.Utf16SequenceLength;
        if (Rune.IsLetter(rune)) return Letter;
        if (Rune.GetUnicodeCategory(rune) is UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber) return Digit;
        return rune.IsBmp && char.IsWhiteSpace((char)rune.Value) ? Space : Other;
    }
}
