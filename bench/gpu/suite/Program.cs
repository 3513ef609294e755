// kit-suite ASSEMBLY SECONDS REPORT.json [WORD ...]: runs the tests of an NUnit assembly in this process, for so many seconds at most, and writes what
// came of them. With words only tests whose full name holds one of them. No SDK, no vstest: the assembly and NUnit lie beside this program.
using System.Diagnostics;
using System.Reflection;
using System.Runtime.Loader;
using System.Text.Json;
using NUnit.Framework.Api;
using NUnit.Framework.Interfaces;
using NUnit.Framework.Internal;

if (args.Length < 3) return 2;
// NUnit takes the console while tests run.
var console = Console.Out;
string folder = AppContext.BaseDirectory;
AssemblyLoadContext.Default.Resolving += (context, name) =>
{
    string path = Path.Combine(folder, name.Name + ".dll");
    return File.Exists(path) ? context.LoadFromAssemblyPath(path) : null;
};
var assembly = AssemblyLoadContext.Default.LoadFromAssemblyPath(Path.GetFullPath(Path.Combine(folder, args[0])));
return Suite.Run(console, assembly, double.Parse(args[1], System.Globalization.CultureInfo.InvariantCulture), args[2], args[3..]);

internal static class Suite
{
    public static int Run(TextWriter console, Assembly assembly, double seconds, string report, string[] words)
    {
        var clock = Stopwatch.StartNew();
        var runner = new NUnitTestAssemblyRunner(new DefaultTestAssemblyBuilder());
        // One at a time: one device, and a failure must name its test.
        runner.Load(assembly, new Dictionary<string, object> { ["NumberOfTestWorkers"] = 0, ["SynchronousEvents"] = true });
        var listener = new Listener();
        var filter = words.Length == 0 ? TestFilter.Empty : new Words(words);
        runner.RunAsync(listener, filter);
        bool ended = runner.WaitForCompletion((int)(seconds * 1000));
        if (!ended)
        {
            runner.StopRun();
            if (!runner.WaitForCompletion(20_000)) console.WriteLine($"kit-suite: test '{listener.Running}' does not end");
        }
        string[] lines = [.. listener.Failures];
        var summary = new
        {
            assembly = assembly.GetName().Name,
            seconds = Math.Round(clock.Elapsed.TotalSeconds, 1),
            ended,
            running = ended ? null : listener.Running,
            total = runner.CountTestCases(filter),
            passed = listener.Passed,
            failed = lines.Length,
            skipped = listener.Skipped,
            inconclusive = listener.Inconclusive,
            slowest = listener.Slowest.OrderByDescending(p => p.Seconds).Take(12).Select(p => new { p.Name, seconds = Math.Round(p.Seconds, 2) }),
            failures = lines.Take(60),
        };
        File.WriteAllText(report, JsonSerializer.Serialize(summary, new JsonSerializerOptions { WriteIndented = true }));
        foreach (string line in lines.Take(25)) console.WriteLine("FAIL " + line);
        console.WriteLine(FormattableString.Invariant(
            $"{summary.assembly}: {summary.passed} passed, {summary.failed} failed, {summary.skipped} skipped of {summary.total} in {summary.seconds} s{(ended ? "" : ", STOPPED by the time limit in " + listener.Running)}"));
        console.Flush();
        // Not through Main's end: a test that hangs would hold the process.
        Environment.Exit(lines.Length > 0 ? 1 : ended ? 0 : 3);
        return 0;
    }

    private sealed class Words(string[] words) : TestFilter
    {
        public override bool Match(ITest test) => !test.IsSuite && words.Any(word => test.FullName.Contains(word, StringComparison.Ordinal));

        public override bool Pass(ITest test, bool negated) => test.IsSuite ? test.Tests.Any(t => Pass(t, negated)) : Match(test);

        public override bool IsExplicitMatch(ITest test) => false;

        public override TNode AddToXml(TNode parentNode, bool recursive) => parentNode;
    }

    private sealed class Listener : ITestListener
    {
        public readonly List<string> Failures = [];
        public readonly List<(string Name, double Seconds)> Slowest = [];
        public int Passed, Skipped, Inconclusive;
        public volatile string Running = "";

        public void TestStarted(ITest test)
        {
            if (!test.IsSuite) Running = test.FullName;
        }

        public void TestFinished(ITestResult result)
        {
            if (result.Test.IsSuite)
            {
                // A fixture whose set-up fails has no other line.
                if (result.ResultState.Site == FailureSite.SetUp && result.ResultState.Status == TestStatus.Failed) Add(result);
                return;
            }
            Slowest.Add((result.FullName, result.Duration));
            switch (result.ResultState.Status)
            {
                case TestStatus.Passed: case TestStatus.Warning: Passed++; break;
                case TestStatus.Skipped: Skipped++; break;
                case TestStatus.Inconclusive: Inconclusive++; break;
                default: Add(result); break;
            }
        }

        private void Add(ITestResult result)
        {
            string text = (result.Message ?? "").ReplaceLineEndings(" ");
            Failures.Add($"{result.FullName}: {(text.Length > 400 ? text[..400] : text)}");
        }

        public void TestOutput(TestOutput output)
        {
        }

        public void SendMessage(TestMessage message)
        {
        }
    }
}
