using System.CommandLine;
using System.Text.Json;
using NativeDiffusion.Cli;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cli;

/// <summary>What one run of the tool, inside this process, wrote and returned.</summary>
internal sealed record ToolRun(int ExitCode, string Output, string Error)
{
    /// <summary>The object that <c>--json</c> wrote.</summary>
    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    public static ToolRun Of(params string[] args) => Of(CancellationToken.None, args);

    public static ToolRun Of(CancellationToken cancellation, params string[] args)
    {
        using StringWriter output = new(), error = new();
        int code = CliApplication.Run(args, output, error, cancellation);
        return new ToolRun(code, output.ToString(), error.ToString());
    }

    /// <summary>A tool whose only command does what it is given.</summary>
    public static ToolRun OfCommand(Func<int> action)
    {
        using StringWriter output = new(), error = new();
        Command Create(CliContext context)
        {
            var command = new Command("act");
            command.SetAction(_ => action());
            return command;
        }
        int code = CliApplication.Run(["act"], new CliContext(output, error, CancellationToken.None), [Create]);
        return new ToolRun(code, output.ToString(), error.ToString());
    }

    /// <summary>Asserts a failure with one clear line (and the hint for wrong command lines) that holds every one of some texts.</summary>
    public void AssertError(int code, params string[] texts)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ExitCode, Is.EqualTo(code), Error);
            string[] lines = [.. Error.Split('\n', StringSplitOptions.RemoveEmptyEntries).SkipWhile(line => !line.StartsWith("error: ", StringComparison.Ordinal))];
            Assert.That(lines, Has.Length.EqualTo(code == 2 ? 2 : 1), Error);
            if (code == 2) Assert.That(lines[^1], Does.StartWith("Run 'nativediffusion").And.Contain("--help'"));
            foreach (string text in texts) Assert.That(Error, Does.Contain(text));
            Assert.That(Error, Does.Not.Contain("   at ").And.Not.Contain("Parameter '"));
            Assert.That(Output, Is.Empty);
        }
    }
}
