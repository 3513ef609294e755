using System.CommandLine;
using NativeDiffusion.Cli;
using NativeDiffusion.Cli.Help;
using NativeDiffusion.Model;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cli.Help;

/// <summary>Help that fits the terminal, by heading, and explains its words.</summary>
internal sealed class HelpTextTests
{
    private static readonly CliContext Context = new(TextWriter.Null, TextWriter.Null, CancellationToken.None);

    private static IReadOnlyList<Command> Commands => [.. CliApplication.All.Select(create => create(Context))];

    [TestCase(60)]
    [TestCase(80)]
    [TestCase(133)]
    public void Every_help_fits_the_terminal_and_loses_no_word(int width)
    {
        foreach (var command in Commands)
        {
            string narrow = HelpOf(command, width), wide = HelpOf(command, int.MaxValue);
            Assert.That(narrow.Split('\n').Where(line => line.Length >= width && line.Trim().Contains(' ') && !line.Contains("nativediffusion")), Is.Empty, command.Name);
            Assert.That(Words(narrow), Is.EqualTo(Words(wide)), command.Name);
            foreach (var option in command.Options.Where(o => !o.Hidden)) Assert.That(wide, Does.Contain(option.Name).And.Contain(option.Description!), command.Name);
        }
    }

    [Test]
    public void What_stands_under_a_heading_is_an_option_of_the_command()
    {
        foreach (var command in Commands) Assert.That(HelpGroups.NamesOf(command.Name), Is.Unique.And.SubsetOf(command.Options.Select(o => o.Name)), command.Name);
        string help = ToolRun.Of("sample", "--help").Output;
        Assert.That(help.IndexOf("What to draw:", StringComparison.Ordinal), Is.Positive.And.LessThan(help.IndexOf("Sampler:", StringComparison.Ordinal)));
        Assert.That(help.IndexOf("--guider <", StringComparison.Ordinal), Is.GreaterThan(help.IndexOf("\nGuidance:", StringComparison.Ordinal)));
    }

    [Test]
    public void Every_command_stands_under_a_heading() =>
        Assert.That(HelpGroups.Of(Commands).Where(g => g.Heading != "Commands").SelectMany(g => g.Commands).Select(c => c.Name), Is.EquivalentTo(Commands.Select(c => c.Name)));

    [Test]
    public void Words_of_options_are_explained_in_a_line()
    {
        string[] known = [.. Glossary.All.SelectMany(e => e.Name.Split(", "))];
        string all = string.Join(' ', Glossary.All.Select(e => e.Name + " " + e.Meaning));
        foreach (string word in OptionWords.Samplers.Select(s => s.Name)) Assert.That(all, Does.Contain(word));
        foreach (string word in Enum.GetValues<PredictionType>().Select(p => OptionWords.Of(p))) Assert.That(known, Does.Contain(word));
        foreach (string word in new[] { "null class", "null probability", "spacing", "alg2", "min-snr", "w" }) Assert.That(known, Does.Contain(word));
        Assert.That(known, Is.Unique);
        Assert.That(Glossary.All.Select(e => e.Meaning.Length), Has.All.LessThan(140));
        Assert.That(ToolRun.Of("words", "min-snr").Output, Does.Contain("Hang"));
        Assert.That(ToolRun.Of("words", "sample").Output, Does.Contain("sampler:").And.Contain("spacing:").And.Not.Contain("metric:"));
        Assert.That(ToolRun.Of("words", "--json").Json.GetArrayLength(), Is.EqualTo(Glossary.All.Count));
        ToolRun.Of("words", "min-snt").AssertError(2, "did you mean min-snr");
    }

    [TestCase("bash", "complete -o default -F _nativediffusion nativediffusion")]
    [TestCase("zsh", "compdef")]
    [TestCase("fish", "complete -c nativediffusion")]
    [TestCase("powershell", "Register-ArgumentCompleter")]
    public void Shells_complete_by_asking_the_tool(string shell, string said)
    {
        ToolRun run = ToolRun.Of("completion", shell);
        Assert.That((run.ExitCode, run.Error), Is.EqualTo((0, "")));
        Assert.That(run.Output, Does.Contain(said).And.Contain("[suggest:"));
        ToolRun.Of("completion", shell + "x").AssertError(2, $"did you mean {shell}");
    }

    [TestCase("nativediffusion sam", "sample")]
    [TestCase("nativediffusion sample --samp", "--sampler")]
    [TestCase("nativediffusion sample --sampler ddp", "ddpm")]
    public void The_tool_completes_a_line(string line, string expected) =>
        Assert.That(ToolRun.Of($"[suggest:{line.Length}]", line).Output.Split('\n', StringSplitOptions.TrimEntries), Does.Contain(expected));

    [Test]
    public void A_wrong_value_of_a_choice_brings_the_likest() =>
        ToolRun.Of("sample", "--sampler", "ddmp").AssertError(2, "did you mean ddpm?");

    private static string HelpOf(Command command, int width)
    {
        using var text = new StringWriter();
        new HelpText(text, width).Write(command);
        return text.ToString().ReplaceLineEndings("\n");
    }

    private static string[] Words(string text) => text.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
}
