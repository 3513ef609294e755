using System.CommandLine;

namespace NativeDiffusion.Cli;

/// <summary>A command with more to say than its one-line description: its own <c>--help</c> ends with <paramref name="details"/>.</summary>
internal sealed class CliCommand(string name, string description, string details) : Command(name, description)
{
    public string Details { get; } = details;
}
