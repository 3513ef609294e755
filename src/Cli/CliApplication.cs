using System.CommandLine;
using System.CommandLine.Invocation;
using System.Reflection;
using NativeDiffusion.Cli.Commands;
using NativeDiffusion.Cli.Help;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Training;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Cli;

/// <summary>The <c>nativediffusion</c> tool: its commands, and what becomes of their errors.</summary>
public static class CliApplication
{
    private const string Description =
        """
        Train and sample guided diffusion models, on the CPU or a GPU.

        First steps:
          nativediffusion sample --out digits.png      draw digits with the model that comes with the tool
          nativediffusion train --preset quick         train a small model of your own in about ten minutes
          nativediffusion COMMAND --help               all options of a command, with examples
        """;

    /// <summary>Every command; a new one is one line here.</summary>
    internal static IReadOnlyList<Func<CliContext, Command>> All { get; } =
    [
        SampleCommand.Create,
        TrainCommand.Create,
        EmaCommand.Create,
        InfoCommand.Create,
        ConvertCommand.Create,
        BenchCommand.Create,
        TrainClassifierCommand.Create,
        ClassifyCommand.Create,
        EvaluateCommand.Create,
        DevicesCommand.Create,
        PtxCommand.Create,
        CalibrationCommand.Create,
        ExperimentCommand.Create,
        WordsCommand.Create,
        CompletionCommand.Create,
    ];

    /// <summary>Runs one command line.</summary>
    /// <param name="args">The arguments after the program's name.</param>
    /// <param name="output">Takes results.</param>
    /// <param name="error">Takes progress and error messages.</param>
    /// <param name="cancellation">Cancelled by Ctrl-C: training then saves, other commands stop.</param>
    /// <returns>0, 1 for a failure, 2 for a wrong command line, 130 when interrupted.</returns>
    public static int Run(string[] args, TextWriter output, TextWriter error, CancellationToken cancellation = default) =>
        Run(args, new CliContext(output, error, cancellation), All);

    internal static int Run(string[] args, CliContext context, IReadOnlyList<Func<CliContext, Command>> commands)
    {
        var root = new RootCommand(Description) { HelpName = "nativediffusion" };
        foreach (var create in commands) root.Add(create(context));
        HelpText.AddTo(root, context);
        foreach (var option in root.Options.OfType<VersionOption>()) option.Action = new VersionAction(context);

        ParseResult parsed = root.Parse(args.Length == 0 ? ["--help"] : args);
        string help = $"Run 'nativediffusion {Path(parsed)}--help' to see what is possible.";
        try
        {
            if (parsed.Action is ParseErrorAction corrections) throw new UsageException(Explain(parsed, corrections));
            return parsed.Invoke(new InvocationConfiguration
            {
                Output = context.Out,
                Error = context.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            });
        }
        catch (UsageException e)
        {
            return Fail(context, ExitCode.Usage, e, e.Message, help);
        }
        catch (OperationCanceledException e)
        {
            return Fail(context, ExitCode.Interrupted, e, "interrupted.");
        }
        catch (Exception e) when (e is OutOfMemoryException or OverflowException)
        {
            return Fail(context, ExitCode.Failure, e, "this needs more memory than there is; try a smaller --batch or smaller images.");
        }
        catch (Exception e) when (IsExpected(e))
        {
            return Fail(context, ExitCode.Failure, e, WithoutParameter(e.Message));
        }
        catch (Exception e)
        {
            return Fail(
                context, ExitCode.Failure, e, $"internal error ({e.GetType().Name}): {e.Message}",
                "This is a bug of nativediffusion; set ND_DEBUG=1 to see where it happened, and report it.");
        }
    }

    private static bool IsExpected(Exception e) =>
        e is CheckpointException or TrainingDivergedException or IOException or InvalidDataException or UnauthorizedAccessException or ArgumentException
            or DeviceException or NotFiniteNumberException;

    private static int Fail(CliContext context, int code, Exception exception, string message, string? hint = null)
    {
        context.Error.WriteLine(PlainText.Of($"error: {message.ReplaceLineEndings(" ")}"));
        if (hint is not null) context.Error.WriteLine(hint);
        if (Environment.GetEnvironmentVariable("ND_DEBUG") == "1") context.Error.WriteLine(exception);
        return code;
    }

    // .NET adds the name of a method's parameter, which says nothing to the user of a command line.
    private static string WithoutParameter(string message)
    {
        int at = message.IndexOf(" (Parameter '", StringComparison.Ordinal);
        return at < 0 ? message : message[..at];
    }

    private static string Explain(ParseResult parsed, ParseErrorAction corrections)
    {
        if (parsed.UnmatchedTokens.Count == 0) return parsed.Errors[0].Message;
        string wrong = parsed.UnmatchedTokens[0];
        string[] meant = Corrections(parsed, corrections, wrong);
        string what = parsed.CommandResult.Command is RootCommand ? $"there is no command '{wrong}'" : $"'{parsed.CommandResult.Command.Name}' has no option '{wrong}'";
        return meant.Length > 0 ? $"{what}; did you mean {string.Join(" or ", meant)}?" : $"{what}.";
    }

    // The library's own, which it only writes: a line about each wrong token, in quotes, and its corrections, a line each.
    private static string[] Corrections(ParseResult parsed, ParseErrorAction action, string wrong)
    {
        using StringWriter output = new(), error = new();
        action.ShowHelp = false;
        action.ShowTypoCorrections = true;
        parsed.Invoke(new InvocationConfiguration { Output = output, Error = error });
        string[] lines = output.ToString().Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return lines is [var first, .. var rest] && first.StartsWith($"'{wrong}'", StringComparison.Ordinal) ? [.. rest.TakeWhile(line => line[0] != '\'')] : [];
    }

    private static string Path(ParseResult parsed) => parsed.CommandResult.Command is RootCommand ? "" : parsed.CommandResult.Command.Name + " ";

    private sealed class VersionAction(CliContext context) : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            context.Out.WriteLine($"nativediffusion {typeof(CliApplication).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0]}");
            return ExitCode.Success;
        }
    }
}
