using System.Text;
using System.Text.Json.Nodes;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Pictures;
using NativeDiffusion.Runtime;

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

    private readonly Image[] _images = new Image[selection.Requests.Count];
    private readonly IReadOnlyList<string> _folders = ClassFolderName.Of(selection.Classes);

    /// <summary>The images, in the order of the selection's requests.</summary>
    public IReadOnlyList<Image> Images => _images;

    /// <summary>The format that the ending of a path stands for.</summary>
    public static SampleFormat FormatOf(string path) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        ".png" => SampleFormat.Grid,
        ".npz" => SampleFormat.Npz,
        "" => SampleFormat.Files,
        string other => throw new UsageException($"--out: '{path}' ends in {other}; write .png, .npz or a folder, or say which with --format."),
    };

    /// <summary>Where finished images are kept until all are; null where the output is no file.</summary>
    public string? StorePath => format == SampleFormat.Files ? Path.Combine(path, "samples.part") : PosixFile.SpecialKind(path) is null ? AtomicFile.TargetOf(path) + ".part" : null;

    /// <summary>Checks before the work that its result can be written, with <paramref name="example"/> in place of every image.</summary>
    /// <exception cref="IOException">It cannot; the message says why.</exception>
    /// <exception cref="ArgumentException">The grid would be too large.</exception>
    public void RequireWritable(Image example)
    {
        if (format == SampleFormat.Grid) _ = Grid([.. Enumerable.Repeat(example, selection.Requests.Count)], selection);
        if (format != SampleFormat.Files) WritableFolder.RequireFor(path);
        else if (File.Exists(path)) throw new IOException($"Cannot write the images to '{path}': it is a file; name a folder.");
        else
        {
            WritableFolder.Require(path);
            foreach (string folder in Enumerable.Range(0, selection.Requests.Count).Select(i => Path.GetDirectoryName(FileOf(i))!).Distinct().Where(Directory.Exists)) WritableFolder.Require(folder);
        }
    }

    /// <summary>Refuses to replace single images of an earlier run, and says where a whole file will be replaced.</summary>
    /// <exception cref="IOException">An image is there.</exception>
    public void RequireNew(TextWriter messages)
    {
        if (format == SampleFormat.Files)
        {
            if (Enumerable.Range(0, selection.Requests.Count).Select(FileOf).FirstOrDefault(File.Exists) is { } there)
                throw new IOException($"'{there}' is there already, of an earlier run. Choose another folder by --out, draw further images by --first N, or delete it.");
        }
        else if (PosixFile.SpecialKind(path) is null && File.Exists(path)) messages.WriteLine($"{path} is there already; it will be replaced.");
    }

    /// <summary>Takes an image that is finished; in a folder, it is written at once.</summary>
    /// <param name="position">Its place in the selection.</param>
    /// <param name="image">The image.</param>
    /// <param name="made">How it was made.</param>
    public void Add(int position, Image image, SampleProvenance made)
    {
        _images[position] = image;
        if (format == SampleFormat.Files) PngWriter.Write(FileOf(position), image, made.TextsOf(selection, position, image));
    }

    /// <summary>Writes what is written of all images together.</summary>
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
                long[] labels = [.. selection.Requests.Select(r => (long)(r.Label >= 0 ? r.Label : r.GradientTarget))];
                // Images drawn without condition have no labels to write.
                NpzWriter.Write(path, Images, labels.All(label => label >= 0) ? labels : null);
                break;
        }
    }

    /// <summary>Writes, beside the images, what made them: <c>FILE.json</c>, or <c>guidance.json</c> in a folder.</summary>
    public void WriteSideFile(JsonObject facts)
    {
        // What goes into a pipe or a device has nothing beside it.
        if (PosixFile.SpecialKind(path) is not null) return;
        string side = format == SampleFormat.Files ? Path.Combine(path, "guidance.json") : path + ".json";
        AtomicFile.Write(side, stream => stream.Write(Encoding.UTF8.GetBytes(JsonReport.Text(facts) + Environment.NewLine)));
    }

    /// <summary>One row per class; the columns are the strengths, and within a strength its images.</summary>
    public static Image Grid(IReadOnlyList<Image> images, SampleSelection selection)
    {
        string[] heads = [.. selection.StrengthNames.SelectMany(name => Enumerable.Range(0, selection.Count).Select(i => i == 0 ? $"{name[0]}={name[1..]}" : ""))];
        int scale = Math.Max(1, SmallestCell / images[0].Width);
        return ImageGrid.Compose(images, heads.Length, scale: scale, columnHeads: heads, rowHeads: [.. selection.Classes.Select(c => c.Name)], font: new SystemCaptions());
    }

    private string FileOf(int position)
    {
        var (row, number) = Math.DivRem(position, selection.Count * selection.StrengthNames.Count);
        string name = $"{selection.StrengthNames[number / selection.Count]}_{selection.First + number % selection.Count:000}.png";
        return Path.Combine(path, selection.HasClasses ? _folders[row] : "", name);
    }
}
