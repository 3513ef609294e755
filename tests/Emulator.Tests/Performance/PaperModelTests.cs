using System.Globalization;
using System.Text;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Emulator.Performance;

/// <summary>The paper model of the GPU backend, for docs/gpu-model.md.</summary>
[TestFixture]
public class PaperModelTests
{
    [TestCase("digits", 294, 298)]
    [TestCase("small32", 294, 298)]
    public void LaunchesOfASamplerStepAreThoseOfTheDocs(string preset, int forward, int guided)
    {
        using var plans = new SamplerStepPlans(SamplerStepPlans.Network(preset));
        Assert.That((plans.Forward(1).Count, plans.Guided(1).Count), Is.EqualTo((forward, guided)), "also in docs/gpu-model.md");
    }

    [Test]
    public void AFullGpuTakesTheTimeOfItsShareOfThePeak()
    {
        var gpu = new GpuFigures("test", 100, 10, 1000);
        var product = new LaunchCost("GemmKernel", 400, 6.5e9, 8e6);
        Assert.That(product.ArithmeticSeconds(gpu), Is.EqualTo(1e-3).Within(1e-9), "6.5 GFLOP at 65% of 10 TFLOP/s");
        Assert.That(product.MemorySeconds(gpu), Is.EqualTo(1e-5).Within(1e-11), "8 MB at 80% of 1 TB/s");
        var one = product with { Groups = 1, Flops = 6.5e9 / 400 };
        Assert.That(one.ArithmeticSeconds(gpu), Is.EqualTo(1e-3 / 4 * 0.65 / 0.45).Within(1e-9), "a multiprocessor with one group instead of four");
    }

    [Test]
    [Explicit("prints the tables of docs/gpu-model.md; takes some GB of memory")]
    public void PrintTables()
    {
        var text = new StringBuilder();
        foreach (string preset in new[] { "digits", "small32", "base64" })
        {
            using var plans = new SamplerStepPlans(SamplerStepPlans.Network(preset));
            foreach (int batch in new[] { 1, 4, 16 })
            {
                var (forward, guided) = (plans.Forward(batch), plans.Guided(batch));
                text.Append(CultureInfo.InvariantCulture, $"| {preset}, {batch} | {2 * forward.Count + SamplerStepPlans.ComposedLaunches} | {guided.Count} |");
                foreach (var gpu in new[] { GpuFigures.A100, GpuFigures.H200 })
                {
                    double two = 2 * forward.Sum(l => l.Seconds(gpu)) + SamplerStepPlans.ComposedLaunches * LaunchCost.LeastSeconds, one = guided.Sum(l => l.Seconds(gpu));
                    double floor = guided.Count(l => l.Seconds(gpu) <= LaunchCost.LeastSeconds) / (double)guided.Count;
                    text.Append(CultureInfo.InvariantCulture, $" {1e3 * two:0.00} | {1e3 * one:0.00} | {one / two:0.00} | {100 * floor:0}% |");
                }
                text.AppendLine();
                if (batch == 4) Families(text, guided);
            }
        }
        TestContext.Out.WriteLine(text);
    }

    private static void Families(StringBuilder text, IReadOnlyList<LaunchCost> launches)
    {
        foreach (var family in launches.GroupBy(l => l.Kernel).OrderByDescending(f => f.Sum(l => l.Seconds(GpuFigures.A100))))
        {
            double Sum(Func<LaunchCost, double> of) => family.Sum(of);
            text.AppendLine(CultureInfo.InvariantCulture,
                $"    | {family.Key} | {family.Count()} | {Sum(l => l.Flops) / 1e9:0.0} | {Sum(l => l.Bytes) / 1e6:0} | {1e6 * Sum(l => l.Seconds(GpuFigures.A100)):0} | {1e6 * Sum(l => l.Seconds(GpuFigures.H200)):0} |");
        }
    }
}
