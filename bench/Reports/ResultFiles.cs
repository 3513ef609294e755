using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using NativeDiffusion.Kernels;

namespace NativeDiffusion.Bench.Reports;

/// <summary>Writes results to <c>bench/results/PROCESSOR/</c>, or that of another device's name, with what they depend on at their head.</summary>
internal static class ResultFiles
{
    /// <summary>The folder of the checkout that this program was built in; null where it was moved out of it.</summary>
    public static string? Repository
    {
        get
        {
            for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
                if (File.Exists(Path.Combine(folder.FullName, "NativeDiffusion.sln"))) return folder.FullName;
            return null;
        }
    }

    /// <summary>Writes a summary of BenchmarkDotNet as Markdown and CSV.</summary>
    public static void Write(Summary summary)
    {
        if (summary.Reports.IsEmpty) return;
        string name = summary.Reports[0].BenchmarkCase.Descriptor.Type.Name.Replace("Benchmarks", "", StringComparison.Ordinal);
        WriteText($"{name}.md", $"# {name}\n\n{Header("")}\n{Export(MarkdownExporter.GitHub, summary)}");
        var shown = summary.Table.Columns.Where(c => c.NeedToShow).ToArray();
        var csv = new StringBuilder(Header("# ")).AppendLine(string.Join(',', shown.Select(c => Cell(c.Header))));
        foreach (string[] row in summary.Table.FullContent) csv.AppendLine(string.Join(',', shown.Select(c => Cell(row[c.Index]))));
        WriteText($"{name}.csv", csv.ToString());
    }

    /// <summary>Writes one file, the form's name in its own.</summary>
    public static void WriteText(string name, string text)
    {
        string form = BenchForm.IsLong ? "" : "." + BenchForm.Size.ToString().ToLowerInvariant();
        string path = Path.Combine(Folder(), $"{Path.GetFileNameWithoutExtension(name)}{form}{Path.GetExtension(name)}");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, string.Join('\n', text.ReplaceLineEndings("\n").TrimEnd().Split('\n').Select(line => line.TrimEnd())) + "\n");
        Console.WriteLine($"Wrote {Path.GetRelativePath(Environment.CurrentDirectory, path)}.");
    }

    /// <summary>What the results depend on, a line each.</summary>
    /// <param name="prefix">Before every line.</param>
    public static string Header(string prefix)
    {
        using var kernels = BenchForm.Open();
        string[] lines =
        [
            $"Processor: {ProcessorName()}, {Environment.ProcessorCount} logical processors{(kernels is CpuKernels cpu ? $", {cpu.Threads} threads used" : "")}",
            kernels is CpuKernels ? $"Vectors: {kernels.DeviceName}" : $"Device: {kernels.DeviceName}",
            $"Runtime: {RuntimeInformation.FrameworkDescription}, {RuntimeInformation.OSDescription}",
            $"Command: {BenchForm.Command}",
            string.Create(CultureInfo.InvariantCulture, $"Date: {DateTime.UtcNow:yyyy-MM-dd HH:mm} UTC"),
        ];
        return string.Concat(lines.Select(line => prefix.Length > 0 ? $"{prefix}{line}\n" : $"- {line}\n"));
    }

    /// <summary>The processor as its maker names it.</summary>
    public static string ProcessorName()
    {
        const string info = "/proc/cpuinfo", key = "model name";
        string? line = File.Exists(info) ? File.ReadLines(info).FirstOrDefault(l => l.StartsWith(key, StringComparison.Ordinal)) : null;
        return line is not null
            ? line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim()
            : Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? RuntimeInformation.ProcessArchitecture.ToString();
    }

    private static string DeviceName()
    {
        using var kernels = BenchForm.Open();
        return kernels is CpuKernels ? ProcessorName() : kernels.DeviceName;
    }

    private static string Folder()
    {
        string folderName = string.Join('-', DeviceName().Split([' ', '(', ')', '@', '/', ','], StringSplitOptions.RemoveEmptyEntries));
        return Repository is { } root ? Path.Combine(root, "bench", "results", folderName) : Path.Combine(Environment.CurrentDirectory, "results", folderName);
    }

    private static string Cell(string text) => text.Contains(',', StringComparison.Ordinal) ? $"\"{text}\"" : text;

    private static string Export(IExporter exporter, Summary summary)
    {
        var log = new AccumulationLogger();
        exporter.ExportToLog(summary, log);
        return log.GetLog();
    }
}
