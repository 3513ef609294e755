using NativeDiffusion.Cli.Bench;
using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cli;

/// <summary><c>bench --profile</c>: the roof of the machine and the table of steps.</summary>
internal sealed class ProfileTableTests : CliFixture
{
    [Test]
    public void ShareIsWhatTheSlowerOfArithmeticAndMemoryWouldTake()
    {
        var roof = new MachineRoof(2, 100, 10);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(roof.LimitedByArithmetic(1e9, 1e6), Is.True);
            Assert.That(roof.Share(1e9, 1e6, 0.02), Is.EqualTo(0.5).Within(1e-12), "1 GFLOP takes 10 ms at 100 GFLOP/s");
            Assert.That(roof.LimitedByArithmetic(1e6, 1e9), Is.False);
            Assert.That(roof.Share(1e6, 1e9, 0.2), Is.EqualTo(0.5).Within(1e-12), "1 GB takes 100 ms at 10 GB/s");
        }
    }

    [Test]
    public void TheRoofIsMeasured()
    {
        using var kernels = new CpuKernels(1);
        var roof = MachineRoof.Measure(kernels);
        // Any machine of the last ten years does more than one multiply-add a nanosecond and 0.5 GB/s; none does a thousand times as much.
        Assert.That((roof.Threads, roof.GflopsPerS, roof.CopyGbPerS), Is.EqualTo(((int?)1, 100.0, 20.0)).Using<(int?, double, double)>((a, b) =>
            a.Item1 == b.Item1 && a.Item2 is > 1 and < 2000 && a.Item3 is > 0.5 and < 500));
    }

    [Test]
    public void TheRoofOfADeviceIsMeasuredWithTheLibrarysKernels()
    {
        using var kernels = new CpuKernels(1);
        var roof = DeviceRoof.Measure(kernels);
        Assert.That((roof.Threads, roof.GflopsPerS, roof.CopyGbPerS), Is.EqualTo(((int?)null, 100.0, 20.0)).Using<(int?, double, double)>((a, b) =>
            a.Item1 == b.Item1 && a.Item2 is > 1 and < 2000 && a.Item3 is > 0.5 and < 500));
        using var plan = new PlanBuilder(kernels).Build();
        Assert.That($"{ProfileTable.Measure(plan, roof, 1, CancellationToken.None)}", Does.Contain("in a large product").And.Contain("Every step is waited for"));
    }

    [Test]
    public void TableNamesOpShapeAlgorithmAndLimit()
    {
        using var kernels = new CpuKernels(1);
        var b = new PlanBuilder(kernels);
        var x = b.Input("x", new Shape(1, 32, 32, 32));
        var y = b.Conv2d(x, b.Input("w3", new Shape(32, 3, 3, 32)));
        b.Output("y", b.Silu(b.Conv2d(y, b.Input("w1", new Shape(32, 1, 1, 32)))));
        using var plan = b.Build();
        var table = ProfileTable.Measure(plan, new MachineRoof(1, 100, 20), 3, CancellationToken.None);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(table.Steps, Has.Count.EqualTo(plan.Steps.Count));
            Assert.That(table.Steps.Where(s => s.Op == "Conv2dForward").Select(s => s.Algorithm), Is.EqualTo(new[] { "Winograd F(4x4,3x3)", "direct" }));
            var wide = table.Steps.First(s => s.Op == "Conv2dForward");
            Assert.That((wide.Unit, wide.Flops), Is.EqualTo(("GFLOP/s", 2.0 * 32 * 32 * 32 * 9 * 32)));
            Assert.That(wide.Rate, Is.EqualTo(wide.Flops / wide.Ms / 1e6).Within(1).Percent);
            Assert.That(wide.PercentOfRoof, Is.EqualTo(wide.Rate).Within(1).Percent, "the roof is 100 GFLOP/s");
            var last = table.Steps[^1];
            Assert.That((last.Op, last.Bytes), Is.EqualTo(("SiluForward", 2.0 * 4 * 32 * 1024)));
            Assert.That(last.Unit, Is.EqualTo("GB/s"));
            Assert.That(table.Kernels.Select(k => k.Ms), Is.Ordered.Descending);
            Assert.That(table.Kernels.Sum(k => k.Steps), Is.EqualTo(plan.Steps.Count));
            Assert.That(table.Kernels.Sum(k => k.PercentOfTime), Is.EqualTo(100).Within(0.1));
            Assert.That(table.ToString(), Does.Contain("100 GFLOP/s").And.Contain("conv[N=1,H=32,W=32,C=32]").And.Contain("Winograd"));
        }
    }

    [Test]
    public void JsonHoldsRoofStepsAndKernels()
    {
        ToolRun run = ToolRun.Of("bench", "--config", "digits", "--batch", "1", "--threads", "1", "--profile", "--json");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        var profile = run.Json.GetProperty("profile");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(profile.GetProperty("roof").GetProperty("gflops_per_s").GetDouble(), Is.Positive);
            Assert.That(profile.GetProperty("runs").GetInt32(), Is.EqualTo(5));
            Assert.That(profile.GetProperty("steps").GetArrayLength(), Is.GreaterThan(100));
            Assert.That(profile.GetProperty("kernels").EnumerateArray().Select(k => k.GetProperty("op").GetString()), Does.Contain("AttentionForward"));
        }
    }
}
