using System.Globalization;
using System.Text;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Images;

namespace NativeDiffusion.Cli;

/// <summary>What <c>sample</c> writes.</summary>
internal enum SampleFormat
{
    /// <summary>One PNG file with all images.</summary>
    Grid,

    /// <summary>A folder with one PNG file per image.</summary>
    Files,

    /// <summary>Images and labels as NumPy arrays.</summary>
    Npz,
}

/// <summary>Writes the images of a selection.</summary>
internal sealed class SampleOutput(string path, SampleFormat format, SampleSelection selection)
{
    // Pictures of a few dozen pixels are hard to see as they are.
    private const int SmallestCell = 56;

    // Of a file name, which has room for 255 bytes.
    private const int LongestName = 120;

    /// <summary>The images, in the order of the selection's requests.</summary>
    public IReadOnlyList<Image> Images { get; set; } = [];

    /// <summary>The format that the ending of a path stands for.</summary>
    public static SampleFormat FormatOf(string path) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        ".png" => SampleFormat.Grid,
        ".npz" => SampleFormat.Npz,
        "" => SampleFormat.Files,
        string other => throw new UsageException($"--out: '{path}' ends in {other}; write .png, .npz or a folder, or say which with --format."),
    };

    /// <summary>Checks before the work that its result can be written, with <paramref name="example"/> in place of every image.</summary>
    /// <exception cref="IOException">It cannot; the message says why.</exception>
    /// <exception cref="ArgumentException">The grid would be too large.</exception>
    public void RequireWritable(Image example)
    {
        if (format == SampleFormat.Grid) _ = Grid([.. Enumerable.Repeat(example, selection.Requests.Count)], selection);
        if (format != SampleFormat.Files) WritableFolder.RequireFor(path);
        else if (File.Exists(path)) throw new IOException($"Cannot write the images to '{path}': it is a file; name a folder.");
        else WritableFolder.Require(path);
    }

    /// <summary>Writes the images.</summary>
    public void Write()
    {
        switch (format)
        {
            case SampleFormat.Grid:
                PngWriter.Write(path, Grid(Images, selection));
                break;
            case SampleFormat.Npz:
                WriteNpz();
                break;
            default:
                WriteFiles();
                break;
        }
    }

    /// <summary>Writes, beside the images, what made them: <c>FILE.json</c>, or <c>guidance.json</c> in a folder.</summary>
    public void WriteSideFile(object facts)
    {
        using var writer = new StringWriter();
        JsonReport.Write(writer, facts);
        File.WriteAllText(format == SampleFormat.Files ? Path.Combine(path, "guidance.json") : path + ".json", writer.ToString());
    }

    /// <summary>One row per class; the columns are the strengths, and within a strength its images.</summary>
    public static Image Grid(IReadOnlyList<Image> images, SampleSelection selection)
    {
        string[] heads = [.. selection.StrengthNames.SelectMany(name => Enumerable.Range(0, selection.Count).Select(i => i == 0 ? $"{name[0]}={name[1..]}" : ""))];
        int scale = Math.Max(1, SmallestCell / images[0].Width);
        return ImageGrid.Compose(images, heads.Length, scale: scale, columnHeads: heads, rowHeads: [.. selection.Classes.Select(c => c.Name)]);
    }

    private void WriteFiles()
    {
        int position = 0;
        foreach (string name in FileNames(selection.Classes))
            foreach (string strength in selection.StrengthNames)
                for (int i = 0; i < selection.Count; i++)
                    PngWriter.Write(Path.Combine(path, $"{name}_{strength}_{i:000}.png"), Images[position++]);
    }

    private void WriteNpz()
    {
        var first = Images[0];
        int row = first.Pixels.Length;
        byte[] pixels = new byte[checked(row * Images.Count)];
        for (int i = 0; i < Images.Count; i++) Images[i].Pixels.CopyTo(pixels.AsMemory(i * row));
        var images = ("arr_0", NpyArray.From(pixels, Images.Count, first.Height, first.Width, first.Channels));
        long[] labels = [.. selection.Requests.Select(r => (long)(r.Label >= 0 ? r.Label : r.GradientTarget))];
        // Images drawn without condition have no labels to write.
        NpzWriter.Write(path, labels.All(label => label >= 0) ? [images, ("arr_1", NpyArray.From(labels, Images.Count))] : [images]);
    }

    /// <summary>
    /// The beginnings of the classes' file names. Class names come from files, so they may hold anything: what is not safe on every file system is
    /// written as in an address, so that different names stay different and can be read back; a name that is too long, or differs from another only
    /// in case, is followed by ~ and its number.
    /// </summary>
    internal static IReadOnlyList<string> FileNames(IReadOnlyList<(string Name, int Label)> classes)
    {
        string[] safe = [.. classes.Select(c => Escape(c.Name))];
        return [.. safe.Select((name, i) =>
            name.Length > LongestName || safe.Count(other => other.Equals(name, StringComparison.OrdinalIgnoreCase)) > 1
                ? $"{name[..Math.Min(name.Length, LongestName)]}~{classes[i].Label}"
                : name)];
    }

    private static string Escape(string name)
    {
        var text = new StringBuilder();
        foreach (Rune rune in name.EnumerateRunes())
            if (IsSafe(rune) && (text.Length > 0 || rune.Value != '.')) text.Append(rune);
            else
                foreach (byte b in Encoding.UTF8.GetBytes(rune.ToString())) text.Append(CultureInfo.InvariantCulture, $"%{b:X2}");
        return text.ToString();
    }

    // File systems differ in how they see other letters, in composed and decomposed form for example.
    private static bool IsSafe(Rune rune) => rune.IsAscii && (Rune.IsLetterOrDigit(rune) || rune.Value is '-' or '_' or '.' or ' ' or '+' or ',' or '(' or ')');
}
