using NativeDiffusion.Cli.Help;
using Spectre.Console;

namespace NativeDiffusion.Cli;

/// <summary>Where a command writes: results to <paramref name="Out"/>, progress and errors to <paramref name="Error"/>.</summary>
/// <param name="Out">Standard output; with <c>--json</c> it carries the JSON alone.</param>
/// <param name="Error">Standard error.</param>
/// <param name="Cancellation">Cancelled by Ctrl-C.</param>
internal sealed record CliContext(TextWriter Out, TextWriter Error, CancellationToken Cancellation)
{
    private const int WidthOfFiles = 200;

    /// <summary>Standard output for tables.</summary>
    public IAnsiConsole OutConsole() => Console(Out);

    /// <summary>Standard error for progress bars.</summary>
    public IAnsiConsole ErrorConsole() => Console(Error);

    /// <summary>Help on standard output, as wide as the terminal; lines that go to a file are not broken.</summary>
    public HelpText Help => new(Out, OutConsole().Profile is { Out.IsTerminal: true } terminal ? terminal.Width : int.MaxValue);

    private static IAnsiConsole Console(TextWriter writer)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = writer is GuardedWriter guarded ? new GuardedOutput(guarded) : new AnsiConsoleOutput(writer) });
        // Without a terminal there is no width to wrap at, and the default of 80 would break tables.
        if (!console.Profile.Out.IsTerminal) console.Profile.Width = WidthOfFiles;
        return console;
    }

    /// <summary>What Spectre asks of a terminal, answered by the writer that is guarded.</summary>
    private sealed class GuardedOutput(GuardedWriter writer) : IAnsiConsoleOutput
    {
        private readonly AnsiConsoleOutput _inner = new(writer.Inner);

        public TextWriter Writer => writer;

        public bool IsTerminal => _inner.IsTerminal;

        public int Width => _inner.Width;

        public int Height => _inner.Height;

        public void SetEncoding(System.Text.Encoding encoding) => _inner.SetEncoding(encoding);
    }
}
