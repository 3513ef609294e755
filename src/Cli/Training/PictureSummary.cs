using System.Globalization;
using NativeDiffusion.Pictures;

namespace NativeDiffusion.Cli.Training;

/// <summary>Says what was found in a folder or a table, and what was left out and why.</summary>
internal static class PictureSummary
{
    private const int MostClasses = 20, MostFiles = 20;

    /// <summary>Writes it.</summary>
    public static void Write(TextWriter output, PictureList list, PicturePack pack)
    {
        int[] counts = new int[Math.Max(1, pack.ClassNames.Count)];
        foreach (int label in pack.Labels.Span) counts[label]++;
        string classes = pack.ClassNames.Count switch
        {
            0 => "without classes",
            <= MostClasses => $"in {pack.ClassNames.Count} classes: {string.Join(", ", pack.ClassNames.Zip(counts).Select(c => $"{c.First} {c.Second}"))}",
            int many => string.Create(CultureInfo.InvariantCulture, $"in {many} classes of {counts.Min()} ({pack.ClassNames[Array.IndexOf(counts, counts.Min())]}) to {counts.Max()} ({pack.ClassNames[Array.IndexOf(counts, counts.Max())]})"),
        };
        output.WriteLine($"{list.Name}: {pack.Count} pictures {classes}");
        output.WriteLine($"{(pack.WasReused ? "taken from" : "packed into")} {pack.Path}: {pack.Height} x {pack.Width} x {pack.Channels}"
            + (pack.Enlarged > 0 ? $"; {pack.Enlarged} were smaller and are enlarged" : ""));
        WriteLeftOut(output, pack);
    }

    /// <summary>Writes what was left out; nothing where nothing was.</summary>
    public static void WriteLeftOut(TextWriter output, PicturePack pack)
    {
        if (pack.LeftOut.Count == 0) return;
        output.WriteLine($"left out: {pack.LeftOut.Count}");
        foreach (var file in pack.LeftOut.Take(MostFiles)) output.WriteLine(file.Why.Contains(file.Name, StringComparison.Ordinal) ? $"  {file.Why}" : $"  {file.Name}: {file.Why}");
        if (pack.LeftOut.Count > MostFiles) output.WriteLine($"  and {pack.LeftOut.Count - MostFiles} more");
    }
}
