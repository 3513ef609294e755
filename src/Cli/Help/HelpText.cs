using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Globalization;

namespace NativeDiffusion.Cli.Help;

/// <summary>Writes the help of the tool and of its commands: options by heading, as wide as the terminal.</summary>
internal sealed class HelpText
{
    private const int LabelWidth = 26, NarrowestText = 24, Indent = 2;

    private readonly TextWriter _out;
    private readonly int _width;

    /// <summary>Help for a writer.</summary>
    /// <param name="output">Takes it.</param>
    /// <param name="width">Columns; lines that go to a file or another program are not broken.</param>
    public HelpText(TextWriter output, int width) => (_out, _width) = (output, width);

    /// <summary>Lets <c>--help</c> of every command be this.</summary>
    public static void AddTo(RootCommand root, CliContext context)
    {
        foreach (var option in root.Options.OfType<HelpOption>()) option.Action = new Action(context);
    }

    public void Write(Command command)
    {
        _out.WriteLine("Description:");
        Paragraphs(command.Description ?? "", Indent);
        _out.WriteLine();
        _out.WriteLine("Usage:");
        _out.WriteLine(Spaces(Indent) + Usage(command));
        if (command.Arguments.Count > 0)
        {
            _out.WriteLine();
            _out.WriteLine("Arguments:");
            foreach (var argument in command.Arguments) Entry($"<{argument.HelpName ?? argument.Name}>", argument.Description ?? "");
        }
        var options = command.Options.Concat(command is RootCommand ? [] : command.Parents.OfType<RootCommand>().SelectMany(root => root.Options).Where(option => option.Recursive)).Where(option => !option.Hidden);
        foreach (var (heading, group) in HelpGroups.Of(command, options))
        {
            _out.WriteLine();
            _out.WriteLine(heading + ":");
            foreach (var option in group) Entry(Label(option), Text(option));
        }
        foreach (var (heading, group) in HelpGroups.Of([.. command.Subcommands]))
        {
            _out.WriteLine();
            _out.WriteLine(heading + ":");
            foreach (var sub in group) Entry(sub.Name, sub.Description ?? "");
        }
        _out.WriteLine();
        if (command is CliCommand { Details: { Length: > 0 } details }) Paragraphs(details, 0);
        if (command is RootCommand) Paragraphs("A command line may be kept in a file, an option and its value to a line, # before comments: nativediffusion sample @settings.txt", 0);
        else if (Glossary.Of(command.Name).Any()) Paragraphs($"Words that are not explained here: nativediffusion words, or nativediffusion words {command.Name}", 0);
    }

    /// <summary>Two columns, the second broken where the terminal ends.</summary>
    public void Entry(string label, string text)
    {
        string first = Spaces(Indent) + label;
        if (label.Length > LabelWidth)
        {
            _out.WriteLine(first);
            first = "";
        }
        int left = Indent + LabelWidth + 2;
        foreach (string line in Broken(text, Math.Max(NarrowestText, _width - left - 1)))
        {
            _out.WriteLine(first.PadRight(left) + line);
            first = "";
        }
    }

    /// <summary>Text whose lines stay lines, broken where the terminal ends, with the indentation that they begin with.</summary>
    public void Paragraphs(string text, int indent)
    {
        foreach (string line in text.ReplaceLineEndings("\n").Split('\n'))
        {
            int own = indent + line.Length - line.TrimStart().Length, hang = own;
            foreach (string part in Broken(line.TrimStart(), Math.Max(NarrowestText, _width - own - 3)))
            {
                _out.WriteLine((Spaces(hang) + part).TrimEnd());
                hang = own + 2;
            }
        }
    }

    private static string Usage(Command command) => command is RootCommand ? "nativediffusion [command] [options]"
        : $"nativediffusion {command.Name} {string.Concat(command.Arguments.Select(a => a.Arity.MinimumNumberOfValues == 0 ? $"[<{a.HelpName ?? a.Name}>] " : $"<{a.HelpName ?? a.Name}> "))}[options]";

    private static string Label(Option option) => string.Join(", ", option.Aliases.Where(alias => alias[0] == '-').Order(StringComparer.Ordinal).Append(option.Name)) + (option.ValueType == typeof(bool) || option is HelpOption or VersionOption ? "" : $" <{option.HelpName ?? "VALUE"}>");

    private static string Text(Option option)
    {
        object? preset = option.HasDefaultValue && option.ValueType != typeof(bool) ? option.GetDefaultValue() : null;
        string shown = preset is null or Array ? "" : Convert.ToString(preset, CultureInfo.InvariantCulture) ?? "";
        return (option.Description ?? "") + (shown.Length > 0 ? $" [default: {shown}]" : "");
    }

    private static string Spaces(int count) => new(' ', count);

    private static IEnumerable<string> Broken(string text, int width)
    {
        while (text.Length > width)
        {
            int at = text.LastIndexOf(' ', width);
            if (at <= 0) at = text.IndexOf(' ', width);
            if (at < 0) break;
            yield return text[..at].TrimEnd();
            text = text[(at + 1)..].TrimStart();
        }
        yield return text;
    }

    private sealed class Action(CliContext context) : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            context.Help.Write(parseResult.CommandResult.Command);
            return ExitCode.Success;
        }
    }
}
