namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>A checkpoint cannot be read: it is missing, damaged, hostile, or does not hold what was asked for.</summary>
public sealed class CheckpointException : Exception
{
    private const int LongestQuote = 200;

    /// <summary>An error whose message names the file, the key and the values in question.</summary>
    /// <param name="message">The whole message.</param>
    public CheckpointException(string message) : base(message)
    {
    }

    /// <summary>An error caused by another one, such as a failed read.</summary>
    /// <param name="message">The whole message.</param>
    /// <param name="inner">The cause.</param>
    public CheckpointException(string message, Exception inner) : base(message, inner)
    {
    }

    /// <summary>Quotes text from a file for a message; names in a hostile file may be huge or hold terminal control characters.</summary>
    /// <param name="text">A name or a value.</param>
    public static string Quote(string text)
    {
        string shown = text.Length <= LongestQuote ? text : text[..LongestQuote] + "…";
        return "'" + string.Create(shown.Length, shown, static (span, source) =>
        {
            for (int i = 0; i < span.Length; i++)
                span[i] = char.IsControl(source[i]) ? '?' : source[i];
        }) + "'";
    }
}
