using System.Reflection;
using NativeDiffusion.Kernels;
using NativeDiffusion.Tests.Cases;
using NUnit.Framework;

namespace NativeDiffusion.Tests;

/// <summary>Runs every <see cref="OpCase"/>: values, gradients, threads, batch split, memory, allocation.</summary>
[TestFixture]
public sealed class OpSuite
{
    private static readonly CpuKernels[] Backends = [new(1), new(2), new(7)];

    public static IEnumerable<OpCase> All => CaseData.All;

    [TestCaseSource(nameof(All))]
    public void Forward_agrees_with_the_double_oracle(OpCase testCase)
    {
        var (data, cotangent) = CaseData.Fill(testCase);
        using var prepared = new PreparedCase(testCase, Backends[1], data, cotangent);
        prepared.Plan.Run();
        var expected = testCase.Oracle(CaseData.Widen(testCase, data));
        float[] got = prepared.Output;
        Assert.That(got, Has.Length.EqualTo(expected.Data.Length), testCase.Name);
        double bound = testCase.Tolerance * (1 + expected.Data.Max(Math.Abs));
        for (int i = 0; i < got.Length; i++)
            if (!(Math.Abs(got[i] - expected.Data[i]) <= bound))
                Assert.Fail($"{testCase.Name}: element {i} is {got[i]}, should be {expected.Data[i]} within {bound:g3}.");
        prepared.AssertMemoryIntact(testCase.Name);
    }

    [TestCaseSource(nameof(All))]
    public void Gradients_agree_with_finite_differences_of_the_oracle(OpCase testCase)
    {
        var (data, cotangent) = CaseData.Fill(testCase);
        using var prepared = new PreparedCase(testCase, Backends[1], data, cotangent);
        prepared.Plan.Run();
        var inputs = CaseData.Widen(testCase, data);
        double Loss() => testCase.Oracle(inputs).Data.Zip(cotangent, (y, c) => y * c).Sum();
        for (int input = 0; input < inputs.Length; input++)
        {
            if (prepared.Gradient(input) is not { } got) continue;
            double[] x = inputs[input].Data;
            Assert.That(got, Has.None.NaN, $"{testCase.Name}: gradient of {testCase.Inputs[input].Name}");
            double bound = testCase.GradientTolerance * (1 + got.Max(MathF.Abs));
            const double H = 1e-5;
            double Difference(Action<double> move)
            {
                move(H);
                double plus = Loss();
                move(-2 * H);
                double minus = Loss();
                move(H);
                return (plus - minus) / (2 * H);
            }
            // Every element of small inputs, evenly spread ones of large inputs, and one direction through all of them.
            int stride = Math.Max(1, x.Length / 48);
            for (int i = 0; i < x.Length; i += stride)
            {
                int at = i;
                double expected = Difference(h => x[at] += h);
                if (!(Math.Abs(got[i] - expected) <= bound))
                    Assert.Fail($"{testCase.Name}: d {testCase.Inputs[input].Name}[{i}] is {got[i]}, should be {expected} within {bound:g3}.");
            }
            var random = new Random(17);
            double[] direction = [.. x.Select(_ => random.NextDouble() - 0.5)];
            double along = Difference(h => { for (int i = 0; i < x.Length; i++) x[i] += h * direction[i]; });
            double gotAlong = got.Zip(direction, (g, d) => g * d).Sum();
            Assert.That(gotAlong, Is.EqualTo(along).Within(bound * Math.Sqrt(x.Length)), $"{testCase.Name}: d {testCase.Inputs[input].Name} along a direction");
        }
        prepared.AssertMemoryIntact(testCase.Name);
    }

    [TestCaseSource(nameof(All))]
    public void Bits_do_not_depend_on_threads_or_batch_and_a_second_run_allocates_nothing(OpCase testCase)
    {
        var (data, cotangent) = CaseData.Fill(testCase);
        using var first = new PreparedCase(testCase, Backends[0], data, cotangent);
        first.Plan.Run();
        foreach (var backend in Backends.Skip(1))
        {
            using var other = new PreparedCase(testCase, backend, data, cotangent);
            other.Plan.Run();
            AssertSameBits(testCase, first.Output, other.Output, $"output with {backend.Threads} threads");
            for (int i = 0; i < data.Length; i++)
                AssertSameBits(testCase, first.Gradient(i), other.Gradient(i), $"gradient of {testCase.Inputs[i].Name} with {backend.Threads} threads");
            // Which thread meets a method first is chance, and what the runtime then allocates for it counts once: what a run allocates shows in each of three.
            long allocated = long.MaxValue;
            for (int run = 0; run < 3 && allocated > 0; run++)
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                other.Plan.Run();
                allocated = Math.Min(allocated, GC.GetAllocatedBytesForCurrentThread() - before);
            }
            Assert.That(allocated, Is.Zero, $"{testCase.Name}: bytes allocated by a run after the first");
        }
        if (!testCase.RowsAreIndependent) return;
        int rows = testCase.Inputs.First(i => i.Batched).Shape.Batch;
        for (int row = 0; row < rows; row++)
        {
            using var alone = new PreparedCase(testCase, Backends[1], data, cotangent, row);
            alone.Plan.Run();
            AssertSameBits(testCase, PreparedCase.Row(first.Output, row, rows), alone.Output, $"row {row} alone");
            for (int i = 0; i < data.Length; i++)
                if (testCase.Inputs[i].Batched && first.Gradient(i) is { } gradient)
                    AssertSameBits(testCase, PreparedCase.Row(gradient, row, rows), alone.Gradient(i), $"gradient of {testCase.Inputs[i].Name}, row {row} alone");
        }
    }

    [Test]
    public void Every_kernel_has_a_case()
    {
        var covered = new HashSet<string>();
        foreach (var testCase in All)
        {
            var (data, cotangent) = CaseData.Fill(testCase);
            using var prepared = new PreparedCase(testCase, Backends[1], data, cotangent);
            covered.UnionWith(prepared.Plan.Steps.Select(s => s.Kernel));
        }
        foreach (var type in typeof(OpSuite).Assembly.GetTypes())
            foreach (var member in type.GetMethods().Cast<MemberInfo>().Append(type))
                covered.UnionWith(member.GetCustomAttribute<CoversAttribute>()?.Kernels ?? []);
        string[] missing = [.. typeof(IKernels).GetMethods()
            .Where(m => m.ReturnType == typeof(void) && m.Name is not ("Upload" or "Download" or "Synchronize"))
            .Select(m => m.Name).Where(n => !covered.Contains(n)).Distinct()];
        Assert.That(missing, Is.Empty, "IKernels methods without a case or a test marked [Covers]");
    }

    private static void AssertSameBits(OpCase testCase, float[]? expected, float[]? got, string what)
    {
        if (expected is null || got is null) return;
        for (int i = 0; i < expected.Length; i++)
            if (BitConverter.SingleToInt32Bits(expected[i]) != BitConverter.SingleToInt32Bits(got[i]))
                Assert.Fail($"{testCase.Name}: {what}: element {i} is {got[i]:g9}, was {expected[i]:g9}.");
    }
}
