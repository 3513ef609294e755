using System.Text;

namespace NativeDiffusion.Cli;

/// <summary>A writer that decides what becomes of texts that cannot be written.</summary>
internal abstract class GuardedWriter(TextWriter inner) : TextWriter(inner.FormatProvider)
{
    /// <summary>Where texts go.</summary>
    public TextWriter Inner => inner;

    public override Encoding Encoding => inner.Encoding;

    public override void Write(char value) => Guard(() => inner.Write(value));

    public override void Write(char[] buffer, int index, int count) => Guard(() => inner.Write(buffer, index, count));

    public override void Write(string? value) => Guard(() => inner.Write(value));

    public override void WriteLine(string? value) => Guard(() => inner.WriteLine(value));

    public override void Flush() => Guard(inner.Flush);

    protected abstract void Failed(Exception error);

    private void Guard(Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ObjectDisposedException)
        {
            Failed(e);
        }
    }
}

/// <summary>
/// Standard error: a message that cannot be written, for the terminal is gone, the pipe closed or the disk full, is dropped, so that the work it speaks of goes on.
/// </summary>
internal sealed class MessageWriter(TextWriter inner) : GuardedWriter(inner)
{
    protected override void Failed(Exception error)
    {
    }
}

/// <summary>Standard output: a result that cannot be written is an error that says so.</summary>
internal sealed class ResultWriter(TextWriter inner) : GuardedWriter(inner)
{
    protected override void Failed(Exception error)
    {
        string cause = error is UnauthorizedAccessException ? "it is closed" : error.Message.TrimEnd('.');
        throw new IOException($"The result cannot be written to standard output: {cause}. What was to be written to files is there.", error);
    }
}
