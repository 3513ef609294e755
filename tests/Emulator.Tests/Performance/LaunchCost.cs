using System.Reflection;
using IlgpuEmulator;
using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Emulator.Performance;

/// <summary>A GPU's public figures.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Processors">Multiprocessors.</param>
/// <param name="Tflops">Peak of float32 multiply-adds, without tensor cores.</param>
/// <param name="GigabytesPerS">Bandwidth of its memory.</param>
internal sealed record GpuFigures(string Name, int Processors, double Tflops, double GigabytesPerS)
{
    public static readonly GpuFigures A100 = new("A100 (SXM, 40 GB)", 108, 19.5, 1555);
    public static readonly GpuFigures H200 = new("H200 (SXM)", 132, 66.9, 4800);
}

/// <summary>What a launch costs on paper. docs/gpu-model.md says where the assumptions come from.</summary>
/// <param name="Kernel">Name of its kernel.</param>
/// <param name="Groups">Groups of threads.</param>
/// <param name="Flops">Operations of products and attention, those on padding included; 0 where memory decides.</param>
/// <param name="Bytes">Bytes of the tensors that it reads or writes, each once.</param>
internal sealed record LaunchCost(string Kernel, long Groups, double Flops, double Bytes)
{
    /// <summary>Least time between two launches, in seconds: starting them from .NET takes as long, and a kernel that does nothing half of it.</summary>
    public const double LeastSeconds = 4e-6;

    // Shares of the peaks that are reached: by a multiprocessor with two groups or more, with one, and by memory.
    private const double ManyGroups = 0.65, OneGroup = 0.45, Memory = 0.8;

    public static LaunchCost Of(RecordedLaunch launch)
    {
        var ranges = new List<ViewRange>();
        ViewFields.Collect(launch.Kernel, ranges);
        string name = launch.Kernel.GetType().Name.Split('`')[0];
        double bytes = ranges.Distinct().Sum(r => (double)r.Length);
        // It looks at one element of each group of the image.
        if (launch.Kernel is GroupNormJoinKernel join) bytes -= join.X.LengthInBytes;
        return new LaunchCost(name, launch.Groups, launch.Groups * FlopsOfGroup(launch.Kernel, name), bytes);
    }

    /// <summary>Seconds of the arithmetic: every multiprocessor has its share of the groups, and the fullest decides.</summary>
    public double ArithmeticSeconds(GpuFigures gpu)
    {
        if (Flops == 0) return 0;
        double each = Math.Ceiling((double)Groups / gpu.Processors);
        return each * (Flops / Groups) / ((each > 1 ? ManyGroups : OneGroup) * gpu.Tflops * 1e12 / gpu.Processors);
    }

    public double MemorySeconds(GpuFigures gpu) => Bytes / (Memory * gpu.GigabytesPerS * 1e9);

    public double Seconds(GpuFigures gpu) => Math.Max(LeastSeconds, Math.Max(ArithmeticSeconds(gpu), MemorySeconds(gpu)));

    private static double FlopsOfGroup(object kernel, string name)
    {
        if (name.EndsWith("GemmKernel", StringComparison.Ordinal))
            return 2.0 * Gemm.TileRows * Gemm.TileColumns * Math.Min(Field<int>(kernel, "Depth"), Field<int>(kernel, "SliceLength"));
        if (name != "AttentionForwardKernel") return 0;
        var keys = Field<GpuHeads>(kernel, "K");
        // For every key block: scores over the head's channels, and weighted values over channels in blocks.
        return 2.0 * AttentionBlocks.Tokens * Whole(keys.Tokens, AttentionBlocks.Tokens) * (keys.Channels + Whole(keys.Channels, AttentionBlocks.Width));
    }

    private static double Whole(int count, int block) => Math.Ceiling((double)count / block) * block;

    private static T Field<T>(object kernel, string name) => (T)kernel.GetType().GetField(name, BindingFlags.Public | BindingFlags.Instance)!.GetValue(kernel)!;
}
