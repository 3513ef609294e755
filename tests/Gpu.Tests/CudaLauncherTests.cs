using ILGPU;
using ILGPU.Runtime.Cuda;
using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Gpu;

/// <summary>What CUDA devices do beyond ILGPU: graphs of launches, and PTX that is kept on disk. A real device, or the stand-in of tests/PtxCpu.</summary>
[TestFixture]
public sealed class CudaLauncherTests
{
    private const int Layers = 6;
    private static readonly float[] Image = [.. Enumerable.Range(0, 64).Select(i => MathF.Sin(i))];

    private string _folder = "";

    [SetUp]
    public void Start()
    {
        if (!GpuUnderTest.Devices.Any(id => id.StartsWith("cuda", StringComparison.Ordinal))) Assert.Ignore("There is no CUDA device here.");
        _folder = Directory.CreateTempSubdirectory("nd-ptx-").FullName;
    }

    [TearDown]
    public void End()
    {
        if (_folder.Length > 0) Directory.Delete(_folder, recursive: true);
    }

    [Test]
    public void A_plan_is_started_as_a_graph_and_reads_slots_anew()
    {
        using var cpu = new CpuKernels(1);
        using var kernels = Open(new PtxCache(_folder));
        Slot<float> factor = new();
        using Plan plan = Record(kernels, factor), plain = Record(cpu, factor);
        var launches = new List<long>();
        for (int run = 0; run < 4; run++)
        {
            factor.Value = run + 0.5f;
            long before = kernels.Launches;
            float[] got = Run(kernels, plan), expected = Run(cpu, plain);
            launches.Add(kernels.Launches - before);
            for (int i = 0; i < got.Length; i++) Assert.That(got[i], Is.EqualTo(expected[i]).Within(1e-5f), $"run {run}, element {i}");
        }
        if (Environment.GetEnvironmentVariable("PTX_CPU_NO_GRAPHS") is null)
        {
            Assert.That(launches, Is.EqualTo(new long[] { Layers + 2, Layers + 3, 3, 3 }));
            Assert.That(plan.Describe(), Does.Contain("steps are started as 1 graphs"));
        }
        else
        {
            Assert.That(launches, Has.All.EqualTo(Layers + 2));
            Assert.That(plan.Describe(), Does.Contain("every step is started by itself.").And.Contain("does not capture launches: CUDA error 900, operation not permitted when stream is capturing, at its begin"));
        }
    }

    [Test]
    public void Kernels_are_compiled_once_and_found_on_disk_after()
    {
        float[] Values(PtxCache cache)
        {
            using var kernels = Open(cache);
            using var plan = Record(kernels, new Slot<float>(2));
            return Run(kernels, plan);
        }

        PtxCache first = new(_folder), second = new(_folder), third = new(_folder);
        float[] compiled = Values(first);
        Assert.That((first.Found, first.Compiled), Is.EqualTo((0, 2)));
        Assert.That(Values(second), Is.EqualTo(compiled));
        Assert.That((second.Found, second.Compiled), Is.EqualTo((2, 0)));
        string damaged = Directory.GetFiles(_folder, "*.ptx", SearchOption.AllDirectories)[0];
        string text = File.ReadAllText(damaged);
        File.WriteAllText(damaged, text[..(text.Length / 2)]);
        Assert.That(Values(third), Is.EqualTo(compiled));
        Assert.That((third.Found, third.Compiled), Is.EqualTo((1, 1)), "half a file is compiled again");
        var fourth = new PtxCache(_folder);
        Assert.That(Values(fourth), Is.EqualTo(compiled));
        Assert.That((fourth.Found, fourth.Compiled), Is.EqualTo((2, 0)), "and written again");
    }

    [Test]
    public void A_cache_that_cannot_be_written_is_done_without()
    {
        string file = Path.Combine(_folder, "file");
        File.WriteAllText(file, "");
        var cache = new PtxCache(file);
        using var kernels = Open(cache);
        using var plan = Record(kernels, new Slot<float>(2));
        _ = Run(kernels, plan);
        Assert.That((cache.Found, cache.Compiled), Is.EqualTo((0, 2)));
    }

    private static GpuKernels Open(PtxCache cache)
    {
        DriverLibraries.Use();
        var context = Context.Create(b => b.Cuda().EnableAlgorithms().Optimize(OptimizationLevel.O2));
        var accelerator = context.GetCudaDevice(0).CreateCudaAccelerator(context);
        return new GpuKernels(context, accelerator, accelerator.GetFreeMemory, new CudaLauncher(accelerator, cache));
    }

    /// <summary>A step that reads a slot, layers that do not, and another that does.</summary>
    private static Plan Record(IKernels kernels, Slot<float> factor)
    {
        var b = new PlanBuilder(kernels);
        var y = b.Scale(b.Input("x", new Shape(Image.Length)), factor);
        for (int i = 0; i < Layers; i++) y = b.Silu(y);
        b.Output("y", b.Scale(y, factor));
        return b.Build();
    }

    private static float[] Run(IKernels kernels, Plan plan)
    {
        kernels.Upload(Image, plan.Input("x"));
        plan.Run();
        float[] values = new float[Image.Length];
        kernels.Download(plan.Output("y"), values);
        return values;
    }
}
