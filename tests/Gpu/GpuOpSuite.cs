using NativeDiffusion.Kernels;
using NativeDiffusion.Tests.Cases;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Gpu;

/// <summary>Runs every <see cref="OpCase"/> by the GPU kernels: values against the double oracle, gradients against the CPU, bits from run to run.</summary>
[TestFixtureSource(typeof(GpuUnderTest), nameof(GpuUnderTest.Devices))]
public sealed class GpuOpSuite(string device)
{
    private static readonly CpuKernels Cpu = new(2);
    private readonly HashSet<string> _cases = [];
    private IKernels? _device;

    private IKernels Device => _device ??= GpuUnderTest.Open(device);

    // Of each op the largest case that is not large, or else its smallest, and every sixteenth below it.
    private static readonly HashSet<string> Selection = [.. CaseData.All.GroupBy(c => c.Name.Split(' ')[0])
        .SelectMany(op => op.OrderByDescending(Size).SkipWhile(c => Size(c) > Math.Max(6000, op.Min(Size))).Where((_, i) => i % DeviceSelection.Every == 0))
        .Select(c => c.Name)];

    /// <summary>Cases for some device; without a device that runs all of them, the selection.</summary>
    public static IEnumerable<OpCase> All =>
        GpuUnderTest.Devices.All(GpuUnderTest.IsSelective) ? CaseData.All.Where(c => Selection.Contains(c.Name)) : CaseData.All;

    [OneTimeTearDown]
    public void Close() => _device?.Dispose();

    [TestCaseSource(nameof(All))]
    public void Agrees_with_the_oracle_and_with_the_cpu(OpCase testCase)
    {
        DeviceSelection.Require(device, Selection.Contains(testCase.Name));
        _cases.Add(testCase.Name);
        var (data, cotangent) = CaseData.Fill(testCase);
        using var prepared = new PreparedCase(testCase, Device, data, cotangent, forget: GpuUnderTest.Poison);
        prepared.Plan.Run();
        var oracle = testCase.Oracle(CaseData.Widen(testCase, data));
        AssertClose(testCase, "output", prepared.Output, [.. oracle.Data], 2 * testCase.Tolerance);

        using var reference = new PreparedCase(testCase, Cpu, data, cotangent);
        reference.Plan.Run();
        for (int i = 0; i < data.Length; i++)
            if (reference.Gradient(i) is { } expected)
                AssertClose(testCase, $"gradient of {testCase.Inputs[i].Name}", prepared.Gradient(i)!, [.. expected.Select(v => (double)v)], testCase.GradientTolerance);
        prepared.AssertMemoryIntact(testCase.Name);

        float[] first = prepared.Output;
        prepared.Plan.Run();
        Assert.That(PreparedCase.Bits(prepared.Output), Is.EqualTo(PreparedCase.Bits(first)), $"{testCase.Name}: a second run");
    }

    /// <summary>Of each op the smallest case that is not tiny, so that there are numbers beside a NaN.</summary>
    public static IEnumerable<OpCase> Small =>
        CaseData.All.GroupBy(c => c.Name.Split(' ')[0]).Select(op => op.OrderBy(Size).FirstOrDefault(c => Size(c) >= 60) ?? op.MaxBy(Size)!);

    [TestCaseSource(nameof(Small))]
    public void Nan_is_where_it_is_on_the_cpu(OpCase testCase)
    {
        DeviceSelection.SkipMost(device);
        var (data, cotangent) = CaseData.Fill(testCase);
        for (int i = 0; i < data.Length; i++)
        {
            if (testCase.Inputs[i].Fill == Fill.Index) continue;
            float[][] spoilt = [.. data.Select(values => (float[])values.Clone())];
            spoilt[i][spoilt[i].Length / 2] = float.NaN;
            using PreparedCase prepared = new(testCase, Device, spoilt, cotangent, forget: GpuUnderTest.Poison), reference = new(testCase, Cpu, spoilt, cotangent);
            prepared.Plan.Run();
            reference.Plan.Run();
            string name = $"{testCase.Name}, NaN in {testCase.Inputs[i].Name}";
            AssertNan(name + ": output", prepared.Output, reference.Output);
            for (int g = 0; g < data.Length; g++)
                if (reference.Gradient(g) is { } expected) AssertNan($"{name}: gradient of {testCase.Inputs[g].Name}", prepared.Gradient(g)!, expected);
        }
    }

    private static void AssertNan(string what, float[] got, float[] expected)
    {
        for (int i = 0; i < got.Length; i++)
            if (float.IsNaN(expected[i]) && !float.IsNaN(got[i])) Assert.Fail($"{what}, element {i} is {got[i]:g9} on the device and NaN on the CPU.");
    }

    /// <summary>So that no kernel is without a test; runs after the cases.</summary>
    [Test, DependsOnTest(nameof(Agrees_with_the_oracle_and_with_the_cpu), AllowFailure = true)]
    public void Every_kernel_was_started_but_those_with_tests_of_their_own()
    {
        if (_cases.Count < CaseData.All.Count()) Assert.Inconclusive("Only some of the cases ran.");
        string[] others =
        [
            "GuidedStepKernel", "AdamWKernel", "PartSumsKernel_SquareTerm", "BinaryKernel_MoveTowardsFormula", "FillKernel",
            "AttentionForwardKernel_AttentionWidth128", "AttentionForwardKernel_AttentionWidth256", "AttentionQueryGradKernel_AttentionWidth128",
            "AttentionQueryGradKernel_AttentionWidth256", "AttentionKeyGradKernel_AttentionWidth128",
        ];
        // Products of rounded factors are not started by this device: MatrixArithmeticGpuTests.
        var missing = GpuKernelTypes.All.Except(((GpuKernels)Device).Started).Select(GpuKernelTypes.Name).Where(name => !name.Contains("Format", StringComparison.Ordinal));
        Assert.That(missing, Is.SubsetOf(others));
    }

    private static long Size(OpCase testCase) => testCase.Inputs.Sum(input => input.Shape.Count);

    private static void AssertClose(OpCase testCase, string what, float[] got, double[] expected, double tolerance)
    {
        Assert.That(got, Has.Length.EqualTo(expected.Length), testCase.Name);
        double bound = tolerance * (1 + expected.Max(Math.Abs));
        for (int i = 0; i < got.Length; i++)
            if (!(Math.Abs(got[i] - expected[i]) <= bound))
                Assert.Fail($"{testCase.Name}: {what}, element {i} is {got[i]}, should be {expected[i]} within {bound:g3}.");
    }
}
