using NativeDiffusion.Cli.Bench;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cli;

/// <summary><c>bench</c> and the networks it measures.</summary>
internal sealed class BenchTests : CliFixture
{
    [TestCase("forward", 1)]
    [TestCase("train", 3)]
    [TestCase("guided", 2)]
    [TestCase("unfused", 2)]
    public void ReportsWhatItMeasured(string pass, double forwards)
    {
        ToolRun run = ToolRun.Of("bench", "--config", "digits", "--pass", pass, "--batch", "2", "--threads", "1", "--json");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        double Number(string key) => run.Json.GetProperty(key).GetDouble();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.Json.EnumerateObject().Select(p => p.Name), Is.EqualTo(new[]
            {
                "config", "pass", "batch", "threads", "median_ms", "gflop", "gflops_per_s", "plan_peak_mb", "process_peak_rss_mb",
            }));
            Assert.That((run.Json.GetProperty("config").GetString(), run.Json.GetProperty("pass").GetString()), Is.EqualTo(("digits", pass)));
            Assert.That((Number("batch"), Number("threads")), Is.EqualTo((2.0, 1.0)));
            Assert.That(Number("gflop"), Is.EqualTo(2 * 0.955 * forwards).Within(2).Percent);
            Assert.That(Number("gflops_per_s"), Is.EqualTo(Number("gflop") * 1000 / Number("median_ms")).Within(1).Percent);
            Assert.That(Number("process_peak_rss_mb"), Is.GreaterThan(Number("plan_peak_mb")).And.GreaterThan(10));
            Assert.That(Number("plan_peak_mb"), Is.Positive);
        }
    }

    [TestCase("Digits", 2.0e6, 0.955e9)]
    [TestCase("Small32", 8.0e6, 3.64e9)]
    [TestCase("Base64", 100.9e6, 70.2e9)]
    public void NetworksHaveThePublishedSizes(string name, double parameters, double flops)
    {
        var (count, work) = Measure(name);
        Assert.That((count, work), Is.EqualTo((parameters, flops)).Using<(double Count, double Work)>((a, b) =>
            Math.Abs(a.Count / b.Count - 1) < 0.007 && Math.Abs(a.Work / b.Work - 1) < 0.005));
    }

    [Test]
    public void QuickIsQuick() => Assert.That(Measure("Quick").Flops, Is.LessThanOrEqualTo(0.25e9));

    private static (double Parameters, double Flops) Measure(string name)
    {
        var network = name switch { "Digits" => Presets.Digits, "Small32" => Presets.Small32, "Base64" => Presets.Base64, _ => Presets.Quick };
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        var unet = new UNet(network);
        unet.Declare(parameters);
        var b = new PlanBuilder(kernels, parameters);
        var x = b.Input("x", new Shape(1, network.ImageSize, network.ImageSize, network.InChannels));
        unet.Record(b, x, b.Input("timesteps", new Shape(1)), b.Input("labels", new Shape(1)));
        using var plan = b.Build();
        return (parameters.Count, BenchMeasurement.Flops(plan));
    }
}
