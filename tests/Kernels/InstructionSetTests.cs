using System.Diagnostics;
using System.Globalization;
using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Kernels;

/// <summary>Runs the kernel tests again in child processes whose runtime hides instruction sets, so that the narrower code is tested here too.</summary>
public sealed class InstructionSetTests
{
    private const string ExpectedLanes = "ND_EXPECT_LANES";
    private const string KernelTests = "FullyQualifiedName~NativeDiffusion.Tests.Kernels.|FullyQualifiedName~NativeDiffusion.Tests.OpSuite.";

    // Without any instruction of the processor's own, as on one that .NET knows none of, vectors are loops and slow.
    private const string PortableTests = "FullyQualifiedName~NativeDiffusion.Tests.Kernels.InstructionSetTests.Lane|FullyQualifiedName~NativeDiffusion.Tests.Kernels.MatMul|Name~Silu";

    // Side by side, for each keeps about one processor busy.
    private static readonly Lazy<Dictionary<string, Task<(int ExitCode, string Report)>>> Children = new(() =>
        new[] { (Variable: "DOTNET_EnableAVX512", Lanes: 8, Tests: KernelTests), (Variable: "DOTNET_EnableAVX2", Lanes: 4, Tests: KernelTests), (Variable: "DOTNET_EnableHWIntrinsic", Lanes: 4, Tests: PortableTests) }
            .Where(c => CpuKernels.LaneCount > c.Lanes || c.Tests == PortableTests).ToDictionary(c => c.Variable, c => Task.Run(() => Run(c.Variable, c.Lanes, c.Tests))));

    private static string? Expected => Environment.GetEnvironmentVariable(ExpectedLanes);

    [Test]
    public void Lane_count_is_what_the_environment_asked_for()
    {
        if (Expected is { } lanes) Assert.That(CpuKernels.LaneCount, Is.EqualTo(int.Parse(lanes, CultureInfo.InvariantCulture)));
        Assert.That(CpuKernels.LaneCount, Is.AnyOf(4, 8, 16));
    }

    [TestCase("DOTNET_EnableAVX512")]
    [TestCase("DOTNET_EnableAVX2")]
    [TestCase("DOTNET_EnableHWIntrinsic")]
    public void Kernel_tests_pass_without(string variable)
    {
        if (Expected is not null) Assert.Ignore("This is the child process.");
        if (!Children.Value.TryGetValue(variable, out var child)) Assert.Ignore($"Here the kernels use {CpuKernels.LaneCount} lanes anyway.");
        var (exitCode, report) = child!.Result;
        Assert.That(exitCode, Is.Zero, $"{variable}=0:\n{report}");
        Assert.That(report, Does.Match(@"Passed: +[1-9]\d"), "the child ran the kernel tests");
    }

    private static (int ExitCode, string Report) Run(string variable, int lanes, string tests)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Path.GetDirectoryName(typeof(InstructionSetTests).Assembly.Location),
        };
        foreach (string argument in new[] { "vstest", typeof(InstructionSetTests).Assembly.Location, "--TestCaseFilter:" + tests })
            start.ArgumentList.Add(argument);
        start.Environment[variable] = "0";
        start.Environment[ExpectedLanes] = lanes.ToString(CultureInfo.InvariantCulture);
        // The settings of the test run around this one are not the child's.
        foreach (string name in start.Environment.Keys.Where(k => k.StartsWith("VSTEST_", StringComparison.Ordinal)).ToArray())
            start.Environment.Remove(name);

        using var child = Process.Start(start)!;
        var (output, errors) = (child.StandardOutput.ReadToEndAsync(), child.StandardError.ReadToEndAsync());
        child.WaitForExit();
        return (child.ExitCode, output.Result + errors.Result);
    }
}
