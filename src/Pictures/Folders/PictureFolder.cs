using System.Text;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Pictures;

/// <summary>
/// A folder of pictures: one sub-folder for each class, in ordinal order of their names, with the pictures in it and below it; or pictures alone, which have no classes.
/// Names that start with a dot are not looked at.
/// </summary>
public sealed class PictureFolder : PictureList
{
    private readonly List<(FileInfo File, int Label)> _files = [];
    private readonly List<LeftOutPicture> _leftOut = [];
    private readonly List<string> _classNames = [];

    private PictureFolder(string folder) : base(folder)
    {
    }

    /// <inheritdoc/>
    public override int Count => _files.Count;

    /// <inheritdoc/>
    public override IReadOnlyList<string> ClassNames => _classNames;

    /// <inheritdoc/>
    public override IReadOnlyList<LeftOutPicture> LeftOut => _leftOut;

    /// <summary>The files, in the order of the pictures.</summary>
    public IReadOnlyList<string> Files => [.. _files.Select(f => f.File.FullName)];

    /// <summary>Class of each file; zeros without classes.</summary>
    public IReadOnlyList<int> Labels => [.. _files.Select(f => f.Label)];

    internal override string State
    {
        get
        {
            var text = new StringBuilder();
            foreach (var (file, label) in _files) text.Append(Below(file.FullName)).Append('\t').Append(label).Append('\t').Append(file.Length).Append('\t').Append(file.LastWriteTimeUtc.Ticks).Append('\n');
            return text.ToString();
        }
    }

    /// <summary>Looks what a folder holds; nothing is decoded.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="InvalidDataException">There is no picture.</exception>
    /// <exception cref="IOException">The folder is missing or cannot be read.</exception>
    public static PictureFolder Open(string folder)
    {
        var found = new PictureFolder(folder);
        string[] classes = [.. Directory.GetDirectories(folder).Where(IsVisible).Order(StringComparer.Ordinal)];
        if (classes.Length == 0) found.Add(folder, 0);
        else found.AddClasses(classes, [.. Directory.GetFiles(folder).Where(IsVisible).Order(StringComparer.Ordinal)]);
        if (found.Count > 0) return found;
        string beside = found._leftOut.Count == 0 ? "" : $" ({found._leftOut.Count} left out, '{found._leftOut[0].Name}' for example: {found._leftOut[0].Why})";
        throw new InvalidDataException(
            $"'{folder}' holds no picture{beside}. Put JPEG, PNG, WebP, GIF or BMP files in it, or in one sub-folder for each class.");
    }

    internal override IEnumerable<PictureEntry> Entries()
    {
        foreach (var (file, label) in _files) yield return new PictureEntry(file.FullName, label, () => InputFile.ReadAllBytes(file.FullName));
    }

    private void AddClasses(string[] classes, string[] loose)
    {
        foreach (string path in classes)
        {
            int before = _files.Count;
            Add(path, _classNames.Count);
            if (_files.Count > before) _classNames.Add(ClassFolderName.Read(Path.GetFileName(path)));
            else _leftOut.Add(new LeftOutPicture(Below(path) + "/", "it holds no picture, so it is no class"));
        }
        if (_classNames.Count > 0)
        {
            foreach (string path in loose) _leftOut.Add(new LeftOutPicture(Below(path), IsPicture(path) ? "it lies beside the folders of the classes" : NotOne(path)));
            return;
        }
        foreach (string path in loose) AddFile(path, 0);
    }

    private void Add(string folder, int label)
    {
        foreach (string path in Directory.GetFiles(folder).Where(IsVisible).Order(StringComparer.Ordinal)) AddFile(path, label);
        foreach (string path in Directory.GetDirectories(folder).Where(IsVisible).Order(StringComparer.Ordinal)) Add(path, label);
    }

    private void AddFile(string path, int label)
    {
        if (IsPicture(path)) _files.Add((new FileInfo(path), label));
        else _leftOut.Add(new LeftOutPicture(Below(path), NotOne(path)));
    }

    // Of a file whose name tells nothing, the first bytes do.
    private static bool IsPicture(string path) => PictureKind.IsPictureName(path) || PictureKind.IsRead(Start(path));

    private static string NotOne(string path) => PictureKind.Of(Start(path)) is { } kind ? $"it is no picture but {(kind == "empty file" ? "an" : "a")} {kind}" : "it is no picture";

    private static byte[] Start(string path)
    {
        using var file = InputFile.Open(path);
        byte[] start = new byte[PictureKind.Lead];
        return start[..file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)];
    }

    private static bool IsVisible(string path) => !Path.GetFileName(path).StartsWith('.');

    private string Below(string path) => Path.GetRelativePath(Name, path).Replace(Path.DirectorySeparatorChar, '/');
}
