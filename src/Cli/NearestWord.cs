namespace NativeDiffusion.Cli;

/// <summary>Says which word was perhaps meant.</summary>
internal static class NearestWord
{
    /// <summary>An error for a word that is none of some: names those that are like it, else all.</summary>
    public static string Message(string what, string word, IReadOnlyList<string> known)
    {
        string[] near = [.. known.Where(k => k.StartsWith(word, StringComparison.OrdinalIgnoreCase) || Distance(word.ToLowerInvariant(), k) <= Math.Max(2, k.Length / 4)).Take(3)];
        return near.Length > 0 && word.Length > 0
            ? $"there is no {what} '{word}'; did you mean {string.Join(" or ", near)}?"
            : $"there is no {what} '{word}'; there are {string.Join(", ", known)}.";
    }

    /// <summary>Letters to change, add or leave out (Levenshtein 1966).</summary>
    internal static int Distance(string a, string b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
                (diagonal, row[j]) = (row[j], Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)));
        }
        return row[^1];
    }
}
