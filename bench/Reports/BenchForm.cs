using System.Globalization;

namespace NativeDiffusion.Bench.Reports;

/// <summary>Which form of the benchmarks this process runs. All of them run inside it, so that they see these values.</summary>
internal static class BenchForm
{
    /// <summary>Whether every case is measured, and longer.</summary>
    public static bool IsLong { get; private set; }

    /// <summary>Threads of the kernels; 0 for one per processor.</summary>
    public static int Threads { get; private set; }

    /// <summary>The command line, for reports.</summary>
    public static string Command { get; private set; } = "";

    /// <summary>Takes the form and the number of threads from a command line, and returns the rest.</summary>
    /// <exception cref="ArgumentException">--threads without a number.</exception>
    public static string[] Read(string[] args)
    {
        Command = $"dotnet run -c Release --project bench -- {string.Join(' ', args)}";
        var rest = args.ToList();
        IsLong = rest.FirstOrDefault() == "long";
        if (rest.FirstOrDefault() is "short" or "long") rest.RemoveAt(0);
        int at = rest.IndexOf("--threads");
        if (at < 0) return [.. rest];
        if (at + 1 >= rest.Count || !int.TryParse(rest[at + 1], NumberStyles.None, CultureInfo.InvariantCulture, out int threads))
            throw new ArgumentException("--threads takes a whole number, 0 for one per processor.");
        Threads = threads;
        rest.RemoveRange(at, 2);
        return [.. rest];
    }
}
