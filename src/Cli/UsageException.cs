namespace NativeDiffusion.Cli;

/// <summary>The command line asks for something impossible: exit code 2 and a hint to <c>--help</c>.</summary>
internal sealed class UsageException(string message) : Exception(message);
