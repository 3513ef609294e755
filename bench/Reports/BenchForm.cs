using System.Globalization;
using NativeDiffusion.Cli;
using NativeDiffusion.Kernels;

namespace NativeDiffusion.Bench.Reports;

/// <summary>How much is measured.</summary>
internal enum BenchSize
{
    /// <summary>A few cases.</summary>
    Short,

    /// <summary>Every case, and longer.</summary>
    Long,

    /// <summary>A network of no use, to try whether the benchmarks run on a device, even on a simulated one.</summary>
    Tiny,
}

/// <summary>Which form of the benchmarks this process runs. All of them run inside it, so that they see these values.</summary>
internal static class BenchForm
{
    private const string Cpu = "cpu";
    private static int? _threads;

    /// <summary>How much is measured.</summary>
    public static BenchSize Size { get; private set; }

    /// <summary>Whether every case is measured, and longer.</summary>
    public static bool IsLong => Size == BenchSize.Long;

    /// <summary>The device, as the tool's <c>--device</c> names it.</summary>
    public static string Device { get; private set; } = Cpu;

    /// <summary>Whether the device is the CPU.</summary>
    public static bool IsCpu => Device == Cpu;

    /// <summary>Threads of the kernels on the CPU; 0 for one per processor.</summary>
    public static int Threads => _threads ?? 0;

    /// <summary>The command line, for reports.</summary>
    public static string Command { get; private set; } = "";

    /// <summary>The kernels of the device.</summary>
    public static IKernels Open() => DeviceOption.Open(Device, _threads);

    /// <summary>Takes the form, the device and the number of threads from a command line, and returns the rest.</summary>
    /// <exception cref="ArgumentException">An option without its value.</exception>
    public static string[] Read(string[] args)
    {
        Command = $"dotnet run -c Release --project bench -- {string.Join(' ', args)}";
        var rest = args.ToList();
        if (Enum.GetValues<BenchSize>().Select(size => size.ToString().ToLowerInvariant()).ToList().IndexOf(rest.FirstOrDefault() ?? "") is >= 0 and int form)
        {
            Size = (BenchSize)form;
            rest.RemoveAt(0);
        }
        if (Take(rest, "--device") is { } device) Device = device;
        if (Take(rest, "--threads") is { } threads)
            _threads = int.TryParse(threads, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
                ? number
                : throw new ArgumentException("--threads takes a whole number, 0 for one per processor.");
        return [.. rest];
    }

    private static string? Take(List<string> arguments, string option)
    {
        int at = arguments.IndexOf(option);
        if (at < 0) return null;
        if (at + 1 >= arguments.Count) throw new ArgumentException($"{option} takes a value.");
        string value = arguments[at + 1];
        arguments.RemoveRange(at, 2);
        return value;
    }
}
