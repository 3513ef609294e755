using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace NativeDiffusion.Cli;

/// <summary>A command with more to say than its one-line description: its own <c>--help</c> ends with <paramref name="details"/>.</summary>
internal sealed class CliCommand(string name, string description, string details) : Command(name, description)
{
    public string Details { get; } = details;

    /// <summary>Lets the help of every command print its details.</summary>
    public static void AddDetailsToHelp(RootCommand root)
    {
        foreach (var option in root.Options.OfType<HelpOption>())
            if (option.Action is HelpAction help)
                option.Action = new DetailedHelp(help);
    }

    private sealed class DetailedHelp(HelpAction help) : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            help.Invoke(parseResult);
            if (parseResult.CommandResult.Command is CliCommand command) parseResult.InvocationConfiguration.Output.WriteLine(command.Details);
            return ExitCode.Success;
        }
    }
}
