using System.Text.Json.Nodes;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Pictures;

namespace NativeDiffusion.Cli;

/// <summary>What <c>sample</c> writes.</summary>
internal enum SampleFormat
{
    /// <summary>One PNG file with all images.</summary>
    Grid,

    /// <summary>A folder with one PNG file per image, in one sub-folder for each class.</summary>
    Files,

    /// <summary>Images and labels as NumPy arrays.</summary>
    Npz,
}

/// <summary>Writes the images of a selection.</summary>
internal sealed class SampleOutput(string path, SampleFormat format, SampleSelection selection)
{
    // Pictures of a few dozen pixels are hard to see as they are.
    private const int SmallestCell = 56;

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
    /// <param name="made">How they were made.</param>
    public void Write(SampleProvenance made)
    {
        switch (format)
        {
            case SampleFormat.Grid:
                Image grid = Grid(Images, selection);
                PngWriter.Write(path, grid, made.TextsOf(selection, grid));
                break;
            case SampleFormat.Npz:
                WriteNpz();
                break;
            default:
                WriteFiles(made);
                break;
        }
    }

    /// <summary>Writes, beside the images, what made them: <c>FILE.json</c>, or <c>guidance.json</c> in a folder.</summary>
    public void WriteSideFile(JsonObject facts) =>
        File.WriteAllText(format == SampleFormat.Files ? Path.Combine(path, "guidance.json") : path + ".json", JsonReport.Text(facts) + Environment.NewLine);

    /// <summary>One row per class; the columns are the strengths, and within a strength its images.</summary>
    public static Image Grid(IReadOnlyList<Image> images, SampleSelection selection)
    {
        string[] heads = [.. selection.StrengthNames.SelectMany(name => Enumerable.Range(0, selection.Count).Select(i => i == 0 ? $"{name[0]}={name[1..]}" : ""))];
        int scale = Math.Max(1, SmallestCell / images[0].Width);
        return ImageGrid.Compose(images, heads.Length, scale: scale, columnHeads: heads, rowHeads: [.. selection.Classes.Select(c => c.Name)], font: new SystemCaptions());
    }

    private void WriteFiles(SampleProvenance made)
    {
        int position = 0;
        foreach (string name in ClassFolderName.Of(selection.Classes))
            foreach (string strength in selection.StrengthNames)
                for (int i = 0; i < selection.Count; i++, position++)
                    PngWriter.Write(
                        Path.Combine(path, selection.HasClasses ? name : "", $"{strength}_{selection.First + i:000}.png"), Images[position], made.TextsOf(selection, position, Images[position]));
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
}
