namespace NativeDiffusion.Cli;

/// <summary>Exit codes of the tool.</summary>
internal static class ExitCode
{
    public const int Success = 0;

    /// <summary>A file, a model or the data is not usable, or the work failed.</summary>
    public const int Failure = 1;

    /// <summary>The command line itself is wrong.</summary>
    public const int Usage = 2;

    /// <summary>Ctrl-C, as shells number it (128 + SIGINT).</summary>
    public const int Interrupted = 130;
}
