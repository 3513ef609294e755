using System.Diagnostics;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Gpu;

/// <summary>Tests of this assembly in another process, with settings of their own in its environment.</summary>
internal static class ChildRun
{
    /// <summary>Runs what a filter names and expects all of it to pass.</summary>
    public static void Of(string filter, Dictionary<string, string?> environment, TimeSpan limit)
    {
        string host = Environment.ProcessPath is { } process && Path.GetFileNameWithoutExtension(process) == "dotnet" ? process : "dotnet";
        var (code, report) = Start(host, ["vstest", typeof(ChildRun).Assembly.Location, "--TestCaseFilter:" + filter], environment, limit);
        Assert.That(code, Is.Zero, report);
        Assert.That(report, Does.Match(@"Passed: +[1-9]"), "the child ran the tests");
        TestContext.Out.WriteLine(string.Join('\n', report.Split('\n').TakeLast(6)));
    }

    /// <summary>Runs a program to its end.</summary>
    public static (int Code, string Report) Start(string program, string[] arguments, Dictionary<string, string?> environment, TimeSpan limit)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment) start.Environment[name] = value;
        // The settings of the test run around this one are not the child's.
        foreach (string name in start.Environment.Keys.Where(k => k.StartsWith("VSTEST_", StringComparison.Ordinal)).ToArray()) start.Environment.Remove(name);
        using var child = Process.Start(start)!;
        var (output, errors) = (child.StandardOutput.ReadToEndAsync(), child.StandardError.ReadToEndAsync());
        if (!child.WaitForExit(limit))
        {
            child.Kill(entireProcessTree: true);
            Assert.Fail($"{program} did not end in {limit.TotalMinutes} minutes.");
        }
        return (child.ExitCode, output.Result + errors.Result);
    }
}
