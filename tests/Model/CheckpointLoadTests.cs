using System.Diagnostics;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model;

/// <summary>
/// Loading a checkpoint of 1.07 GB of float32 parameters, most of them 3x3 convolutions: its peak of memory, and the report of its
/// time beside that of a warm copy of the same file. <c>dotnet test -c Release --filter TestCategory=Load</c>; Linux only, because only there the peak can be reset.
/// </summary>
[Explicit("Writes files of 1 GB.")]
[Category("Load")]
[NonParallelizable]
public sealed class CheckpointLoadTests
{
    private const int Width = 1024, Convolutions = 20, Linears = 18;

    private string _folder = "";

    [SetUp]
    public void Start()
    {
        if (!OperatingSystem.IsLinux()) Assert.Ignore("The peak of memory can be reset on Linux only.");
        _folder = Directory.CreateTempSubdirectory("nd-load-").FullName;
    }

    [TearDown]
    public void End()
    {
        if (_folder.Length > 0) Directory.Delete(_folder, recursive: true);
    }

    [TestCase("a.safetensors", DType.F32)]
    [TestCase("a.safetensors", DType.F16)]
    [TestCase("a.safetensors", DType.BF16)]
    [TestCase("a.pt", DType.F32)]
    [TestCase("a.pt", DType.F16)]
    public void Loading_takes_at_most_a_tenth_more_memory(string name, DType type)
    {
        string path = Path.Combine(_folder, name), copy = Path.Combine(_folder, "copy");
        using var kernels = new CpuKernels();
        using (var shape = Declare(kernels))
        {
            var entries = shape.Items.Select(p => new TensorEntry(p.Name, type, [.. p.PublishedShape.Select(e => (long)e)], stream => Fill(stream, p.Shape.Count * TensorEntry.SizeOf(type))));
            if (name.EndsWith(".pt")) TorchWriter.Write(path, entries);
            else SafetensorsWriter.Write(path, entries);
        }
        double copied = double.MaxValue, loaded = double.MaxValue, opened = double.MaxValue;
        long bytes = 0, peak = 0;
        for (int round = 0; round < 3; round++)
        {
            File.Delete(copy);
            copied = Math.Min(copied, Seconds(() => Copy(path, copy)));
            opened = Math.Min(opened, Seconds(() => CheckpointFile.Open(path).Dispose()));
            GC.Collect();
            File.WriteAllText("/proc/self/clear_refs", "5");
            long before = Status("VmRSS:");
            using var parameters = Declare(kernels);
            using var file = CheckpointFile.Open(path);
            loaded = Math.Min(loaded, Seconds(() => WeightFile.Read(file, "", parameters, kernels)));
            bytes = parameters.Count * sizeof(float);
            peak = Math.Max(peak, Status("VmHWM:") - before);
        }
        TestContext.Out.WriteLine(FormattableString.Invariant(
            $"{name} {type}: {bytes / 1e9:0.000} GB of parameters, peak {peak / 1e9:0.000} GB = {(double)peak / bytes:0.000} x; header {opened * 1e3:0.0} ms, load {loaded:0.00} s, copy {copied:0.00} s"));
        Assert.That(peak, Is.LessThan(1.1 * bytes));
    }

    private static Parameters Declare(CpuKernels kernels)
    {
        var parameters = new Parameters(kernels);
        for (int i = 0; i < Convolutions; i++)
        {
            parameters.Add($"c{i}.weight", new Shape(Width, 3, 3, Width));
            parameters.Add($"c{i}.bias", new Shape(Width));
        }
        for (int i = 0; i < Linears; i++) parameters.Add($"l{i}.weight", new Shape(4 * Width, Width));
        return parameters;
    }

    private static void Fill(Stream stream, long bytes)
    {
        byte[] chunk = new byte[1 << 16];
        new Random(1).NextBytes(chunk);
        for (int i = 1; i < chunk.Length; i += 2) chunk[i] &= 0x3F; // no NaN or infinity in any format
        for (; bytes > 0; bytes -= Math.Min(bytes, chunk.Length)) stream.Write(chunk, 0, (int)Math.Min(bytes, chunk.Length));
    }

    // As cp does it, which in .NET's File.Copy may only share the blocks.
    private static void Copy(string from, string to)
    {
        using FileStream source = new(from, FileMode.Open, FileAccess.Read, FileShare.Read, 0), target = new(to, FileMode.CreateNew, FileAccess.Write, FileShare.None, 0);
        source.CopyTo(target, 1 << 17);
    }

    private static double Seconds(Action action)
    {
        var watch = Stopwatch.StartNew();
        action();
        return watch.Elapsed.TotalSeconds;
    }

    private static long Status(string key) =>
        1024 * long.Parse(File.ReadLines("/proc/self/status").First(l => l.StartsWith(key))[key.Length..].Replace("kB", ""), System.Globalization.CultureInfo.InvariantCulture);
}
