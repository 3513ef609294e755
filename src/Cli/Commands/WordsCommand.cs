using System.CommandLine;
using System.Text.Json.Nodes;
using NativeDiffusion.Cli.Help;

namespace NativeDiffusion.Cli.Commands;

/// <summary><c>nativediffusion words</c>: explains the field's words.</summary>
internal sealed class WordsCommand
{
    private const string Description = "Explain the words that options and papers use, a line each.";

    private const string Details =
        """
        Examples:
          nativediffusion words
          nativediffusion words sample       those of a command's options
          nativediffusion words min-snr      one word
        """;

    private readonly Argument<string?> _word = new("WORD") { Description = "A word, a topic or a command. Left out: all.", Arity = ArgumentArity.ZeroOrOne };
    private readonly Option<bool> _json = CliOptions.Json();

    public static Command Create(CliContext context)
    {
        var words = new WordsCommand();
        words._word.CompletionSources.Add([.. Glossary.All.Select(e => e.Name)]);
        var command = new CliCommand("words", Description, Details) { words._word, words._json };
        command.SetAction(parsed => words.Run(parsed, context));
        return command;
    }

    private int Run(ParseResult parsed, CliContext context)
    {
        var found = Find(parsed.GetValue(_word));
        if (parsed.GetValue(_json)) 
            JsonReport.Write(context.Out, JsonReport.List(found.Select(e => new JsonObject { ["name"] = e.Name, ["topic"] = e.Topic, ["meaning"] = e.Meaning })));
        else
            foreach (var topic in found.GroupBy(e => e.Topic))
            {
                context.Out.WriteLine(topic.Key + ":");
                foreach (var entry in topic) context.Help.Entry(entry.Name, entry.Meaning);
                context.Out.WriteLine();
            }
        return ExitCode.Success;
    }

    private static Glossary.Entry[] Find(string? word)
    {
        if (word is null) return [.. Glossary.All];
        Glossary.Entry[] found = [.. Glossary.Of(word)];
        if (found.Length == 0) found = [.. Glossary.All.Where(e => Same(e.Topic) || e.Name.Split(", ").Any(Same))];
        if (found.Length == 0) found = [.. Glossary.All.Where(e => e.Name.Contains(word, StringComparison.OrdinalIgnoreCase))];
        return found.Length > 0 ? found : throw new UsageException(NearestWord.Message("word", word, [.. Glossary.All.SelectMany(e => e.Name.Split(", "))]));

        bool Same(string name) => name.Equals(word, StringComparison.OrdinalIgnoreCase);
    }
}
