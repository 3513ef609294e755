using IlgpuEmulator;
using NativeDiffusion.Kernels;
using NativeDiffusion.Tests.Cases;
using NativeDiffusion.Tests.Gpu;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Emulator;

/// <summary>Every kernel with any one of its barriers left out: each time some op case must end in the report of a race that names the kernel.</summary>
[TestFixture]
public sealed class DroppedBarrierTests
{
    private readonly Dictionary<string, HashSet<Type>> _kernelsOfCases = [];

    public static IEnumerable<TestCaseData> Barriers => GpuKernelTypes.All
        .SelectMany(kernel => KernelCode.BarriersOf(kernel).Select(barrier => (kernel, barrier)))
        .GroupBy(pair => pair.barrier, pair => pair.kernel)
        .Select(group => new TestCaseData(group.Key, group.Distinct().ToArray()) { TestName = $"Without the barrier at {Path.GetFileName(group.Key.Item1)}:{group.Key.Item2}" });

    [TearDown]
    public void Mend() => EmulatorOptions.DroppedBarrier = null;

    [TestCaseSource(nameof(Barriers))]
    public void A_missing_barrier_is_reported((string File, int Line) barrier, Type[] kernels)
    {
        EmulatorOptions.DroppedBarrier = barrier;
        // Not TF32: poison is no such number, which tensor cores refuse before the race shows.
        var arithmetic = kernels.All(kernel => kernel.Name.StartsWith("TensorCore", StringComparison.Ordinal)) ? MatrixArithmetic.Bf16 : MatrixArithmetic.Ieee;
        foreach (var testCase in CasesOf(kernels))
        {
            if (Run(testCase, arithmetic) is not { } report) continue;
            Assert.That(report.Finding, Is.EqualTo(SanitizerFinding.Race), report.Message);
            Assert.That(kernels.Select(kernel => kernel.Name.Split('`')[0]), Has.Some.Matches<string>(name => report.Kernel.Contains(name!, StringComparison.Ordinal)), report.Message);
            Assert.That(report.Group, Is.Not.Null, report.Message);
            Assert.That(report.Thread, Is.Not.Null, report.Message);
            Assert.That(report.SourcePosition, Does.Match(@"\[.+\] \(.+:[0-9]+\)"), report.Message);
            return;
        }
        Assert.Fail($"No op case notices that {barrier.File}:{barrier.Line} is missing: it is not needed, or the cases are too small.");
    }

    private static KernelSanitizerException? Run(OpCase testCase, MatrixArithmetic arithmetic)
    {
        var (data, cotangent) = CaseData.Fill(testCase);
        using var kernels = GpuUnderTest.Open("emulator", arithmetic);
        using var prepared = new PreparedCase(testCase, kernels, data, cotangent, forget: GpuUnderTest.Poison);
        try
        {
            prepared.Plan.Run();
            return null;
        }
        catch (KernelSanitizerException report)
        {
            return report;
        }
    }

    /// <summary>The cases that start one of the kernels, the largest first: small ones may have no second step that a barrier is for.</summary>
    private IEnumerable<OpCase> CasesOf(Type[] kernels)
    {
        foreach (var testCase in CaseData.All.OrderByDescending(c => c.Inputs.Sum(i => i.Shape.Count)))
        {
            if (!_kernelsOfCases.TryGetValue(testCase.Name, out var started)) _kernelsOfCases[testCase.Name] = started = StartedBy(testCase);
            if (started.Overlaps(kernels)) yield return testCase;
        }
    }

    private static HashSet<Type> StartedBy(OpCase testCase)
    {
        using var kernels = (GpuKernels)GpuUnderTest.Open("emulator");
        using var recorded = new PreparedCase(testCase, kernels, [.. testCase.Inputs.Select(i => new float[i.Shape.Count])], new float[1]);
        return [.. recorded.Plan.Steps.SelectMany(step => typeof(GpuKernels).GetMethods().Where(m => m.Name == step.Kernel)).SelectMany(KernelCode.StartedBy)];
    }
}
