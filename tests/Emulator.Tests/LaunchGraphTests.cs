using ILGPU;
using ILGPU.Runtime;
using IlgpuEmulator;
using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Emulator;

/// <summary>Plans that are started as graphs of launches: the values of every run are those of single launches, and host numbers are read anew.</summary>
[TestFixture]
public class LaunchGraphTests
{
    private const int Layers = 6, Width = 8;
    private static readonly float[] Image = [.. Enumerable.Range(0, 4 * Width).Select(i => MathF.Sin(i))];

    [Test]
    public void RunsFromTheSecondOnAreAGraphAndReadSlotsAnew()
    {
        using var kernels = Open(out var launcher);
        using var arena = new Arena(kernels);
        using var expected = Open(out _, captures: false);
        using var expectedArena = new Arena(expected);
        Slot<float> factor = new(1), same = new(1);
        using var plan = Record(kernels, factor, arena);
        using var plain = Record(expected, same, expectedArena);
        long[] launches = new long[4];
        for (int run = 0; run < launches.Length; run++)
        {
            factor.Value = same.Value = run + 0.5f;
            long before = kernels.Launches;
            Assert.That(Run(kernels, plan), Is.EqualTo(Run(expected, plain)), $"run {run}");
            launches[run] = kernels.Launches - before;
        }
        // Two that read the slot, and the layers: started, then captured and started as one.
        Assert.That(launches, Is.EqualTo(new long[] { Layers + 2, Layers + 3, 3, 3 }));
        Assert.That(launcher.Graphs, Is.EqualTo(1));
        Assert.That(plan.Describe(), Does.Contain($"{Layers} of {Layers + 2} steps are started as 1 graphs"));
        Assert.That(plain.Describe(), Does.Not.Contain("graph"));
    }

    [Test]
    public void MemoryThatMovedIsCapturedAnew()
    {
        using var kernels = Open(out var launcher);
        using var arena = new Arena(kernels);
        using var plan = Record(kernels, new Slot<float>(1), arena);
        float[] values = Run(kernels, plan);
        for (int run = 0; run < 2; run++) Assert.That(Run(kernels, plan), Is.EqualTo(values));
        Assert.That(launcher.Graphs, Is.EqualTo(1));
        // A larger plan of the same arena: its memory grows, and lies elsewhere.
        using var larger = Record(kernels, new Slot<float>(1), arena, rows: 64);
        for (int run = 0; run < 3; run++) Assert.That(Run(kernels, plan), Is.EqualTo(values), $"run {run} after the arena grew");
        Assert.That(launcher.Graphs, Is.EqualTo(2));
        Assert.That(launcher.Alive, Is.EqualTo(1), "the graph of memory that is gone was freed");
    }

    [Test]
    public void ADriverThatRefusesIsNamedAndThePlanRunsWithout()
    {
        using var kernels = Open(out var launcher);
        using var arena = new Arena(kernels);
        using var plan = Record(kernels, new Slot<float>(1), arena);
        launcher.Refuses = true;
        float[] values = Run(kernels, plan);
        for (int run = 0; run < 2; run++) Assert.That(Run(kernels, plan), Is.EqualTo(values));
        Assert.That(plan.Describe(), Does.Contain("every step is started by itself. cpu (ILGPU emulator) does not capture launches: not today."));
    }

    [Test]
    public void WhatCopiesToTheDeviceIsNotCaptured()
    {
        using var kernels = Open(out var launcher);
        var b = new PlanBuilder(kernels);
        var x = b.Input("x", new Shape(4, Width));
        var y = x;
        for (int i = 0; i < 4; i++) y = b.Silu(y);
        y = b.AddShared(y, b.Constant("c", [.. Enumerable.Repeat(2f, Width)]));
        for (int i = 0; i < 4; i++) y = b.Silu(y);
        b.Output("y", y);
        using var plan = b.Build();
        float[] values = Run(kernels, plan);
        Assert.That(Run(kernels, plan), Is.EqualTo(values));
        Assert.That(launcher.Graphs, Is.EqualTo(2), "before and behind the constant");
    }

    private static float[] Run(GpuKernels kernels, Plan plan)
    {
        kernels.Upload(Image, plan.Input("x"));
        plan.Run();
        float[] values = new float[Image.Length];
        kernels.Download(plan.Output("y").Rows(0, 4), values);
        return values;
    }

    private static GpuKernels Open(out EmulatedCaptures launcher, bool captures = true)
    {
        var context = Context.CreateDefault();
        var accelerator = context.GetPreferredDevice(preferCPU: false).CreateAccelerator(context);
        launcher = new EmulatedCaptures(accelerator) { IsOn = captures };
        return new GpuKernels(context, accelerator, launcher: launcher);
    }

    /// <summary>A step that reads a slot, layers that do not, and another that does.</summary>
    private static Plan Record(GpuKernels kernels, Slot<float> factor, Arena arena, int rows = 4)
    {
        var b = new PlanBuilder(kernels);
        var y = b.Scale(b.Input("x", new Shape(rows, Width)), factor);
        for (int i = 0; i < Layers; i++) y = b.Silu(y);
        b.Output("y", b.Scale(y, factor));
        return b.Build(arena);
    }

    private sealed class EmulatedCaptures(Accelerator accelerator) : GpuLauncher(accelerator)
    {
        public bool IsOn { get; init; }

        public bool Refuses { get; set; }

        public int Graphs { get; private set; }

        public int Alive { get; private set; }

        public override bool Captures => IsOn;

        public override ILaunchGraph Capture(Action launches)
        {
            if (Refuses) throw new CaptureRefusedException("not today");
            var captured = EmulatorOptions.Captured = [];
            launches();
            EmulatorOptions.Captured = null;
            Graphs++;
            Alive++;
            return new Graph(this, captured);
        }

        private sealed class Graph(EmulatedCaptures owner, List<Action> launches) : ILaunchGraph
        {
            public void Launch() => launches.ForEach(launch => launch());

            public void Dispose() => owner.Alive--;
        }
    }
}
