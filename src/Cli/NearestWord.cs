namespace NativeDiffusion.Cli;

/// <summary>Says which word was perhaps meant.</summary>
internal static class NearestWord
{
    /// <summary>An error for a word that is none of some: names those that are like it, else all.</summary>
    public static string Message(string what, string word, IReadOnlyList<string> known)
    {
        var near = Of(word, known);
        return near.Count > 0
            ? $"there is no {what} '{word}'; did you mean {string.Join(" or ", near)}?"
            : $"there is no {what} '{word}'; there are {string.Join(", ", known)}.";
    }

    /// <summary>Up to three words that are like one, the likest first.</summary>
    public static IReadOnlyList<string> Of(string word, IReadOnlyList<string> known) => word.Length == 0 ? [] :
    [
        .. known.Select(k => (Word: k, Distance: k.StartsWith(word, StringComparison.OrdinalIgnoreCase) ? 0 : Distance(word.ToLowerInvariant(), k.ToLowerInvariant())))
            .Where(k => k.Distance <= Math.Max(2, k.Word.Length / 4) && k.Distance < word.Length).OrderBy(k => k.Distance).Take(3).Select(k => k.Word),
    ];

    /// <summary>Letters to change, add, leave out, or neighbours to exchange (Damerau 1964, none changed twice).</summary>
    internal static int Distance(string a, string b)
    {
        int[,] least = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++)
            for (int j = 0; j <= b.Length; j++)
            {
                if (i == 0 || j == 0)
                {
                    least[i, j] = i + j;
                    continue;
                }
                least[i, j] = Math.Min(Math.Min(least[i - 1, j], least[i, j - 1]) + 1, least[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) least[i, j] = Math.Min(least[i, j], least[i - 2, j - 2] + 1);
            }
        return least[a.Length, b.Length];
    }
}
