using System.Text;

namespace NativeDiffusion.Pictures;

/// <summary>
/// Pictures in Parquet files as the Hugging Face hub serves data sets: a column of structures with the bytes of a picture's file and its path (or of the bytes alone), and
/// a column of labels, numbers whose names the metadata <c>huggingface</c> tell, or texts, whose distinct values then are the classes.
/// </summary>
public sealed class ParquetPictures : PictureList
{
    private const string Ending = ".parquet";

    // As the hub's data sets call them.
    private static readonly string[] ImageNames = ["image", "img", "picture", "jpg", "png"], LabelNames = ["label", "labels", "class", "fine_label", "cls"];

    private readonly string[] _files;
    private readonly TableColumns _columns;
    private readonly List<int[]> _labels = [];
    private readonly List<LeftOutPicture> _leftOut = [];

    private ParquetPictures(string name, string[] files, TableColumns columns) : base(name) => (_files, _columns) = (files, columns);

    /// <inheritdoc/>
    public override int Count => _labels.Sum(labels => labels.Count(label => label >= 0));

    /// <inheritdoc/>
    public override IReadOnlyList<string> ClassNames => _columns.ClassNames;

    /// <inheritdoc/>
    public override IReadOnlyList<LeftOutPicture> LeftOut => _leftOut;

    internal override string State
    {
        get
        {
            var text = new StringBuilder($"{_columns.Image}\t{_columns.Label}\n");
            foreach (string path in _files)
            {
                var file = new FileInfo(path);
                text.Append(file.Name).Append('\t').Append(file.Length).Append('\t').Append(file.LastWriteTimeUtc.Ticks).Append('\n');
            }
            return text.ToString();
        }
    }

    /// <summary>Looks what files hold; no picture is decoded.</summary>
    /// <param name="paths">Files in their order, or folders of them: of a folder that has several splits, its files whose names begin with "train".</param>
    /// <param name="imageColumn">The column of pictures; null for the one that the metadata or its type tell.</param>
    /// <param name="labelColumn">The column of labels; null for the one that the metadata or its name tell, if any.</param>
    /// <exception cref="InvalidDataException">A file is no Parquet file, or has no such column; the message names it.</exception>
    /// <exception cref="IOException">A file is missing or cannot be read.</exception>
    public static ParquetPictures Open(IReadOnlyList<string> paths, string? imageColumn = null, string? labelColumn = null)
    {
        List<LeftOutPicture> otherSplits = [];
        string[] files = [.. paths.SelectMany(path => FilesOf(path, otherSplits))];
        if (files.Length == 0) throw new InvalidDataException("No Parquet file was named.");
        TableColumns? columns = null;
        foreach (string file in files)
        {
            using var table = new ParquetTable(file);
            var own = TableColumns.Find(table, imageColumn, labelColumn, ImageNames, LabelNames);
            columns = columns?.With(own, files[0], file) ?? own;
        }
        var pictures = new ParquetPictures(files.Length == 1 ? files[0] : Path.GetDirectoryName(files[0]) is { Length: > 0 } folder ? folder : files[0], files, columns!);
        foreach (string file in files)
        {
            using var table = new ParquetTable(file);
            pictures._labels.Add(pictures.ReadLabels(table));
        }
        pictures._leftOut.InsertRange(0, otherSplits);
        if (pictures.Count == 0) throw new InvalidDataException($"'{pictures.Name}' holds no picture with a label.");
        return pictures;
    }

    internal override IEnumerable<PictureEntry> Entries()
    {
        for (int f = 0; f < _files.Length; f++)
        {
            using var table = new ParquetTable(_files[f]);
            int row = 0;
            for (int group = 0; group < table.Groups; group++)
                foreach (byte[]? bytes in table.ReadBytes(group, _columns.Image))
                {
                    int label = _labels[f][row];
                    string name = $"{_files[f]}, row {row}";
                    row++;
                    if (label < 0) continue;
                    yield return new PictureEntry(name, label, () => bytes ?? throw new InvalidDataException($"'{name}' has no picture."));
                }
        }
    }

    private int[] ReadLabels(ParquetTable table)
    {
        if (_columns.Label is not { } column) return new int[table.Rows];
        int[] labels = _columns.Read(table, column);
        for (int row = 0; row < labels.Length; row++)
        {
            if (labels[row] < 0) _leftOut.Add(new LeftOutPicture($"{table.Path}, row {row}", "it has no label"));
            else if (labels[row] >= _columns.ClassNames.Count)
                throw new InvalidDataException($"'{table.Path}', row {row}: the label {labels[row]} has no name; the column '{column}' has {_columns.ClassNames.Count} classes.");
        }
        return labels;
    }

    private static string[] FilesOf(string path, List<LeftOutPicture> leftOut)
    {
        if (!Directory.Exists(path)) return File.Exists(path) ? [path] : throw new FileNotFoundException($"There is no file or folder '{path}'.", path);
        string[] files = [.. Directory.GetFiles(path, "*" + Ending, SearchOption.AllDirectories).Order(StringComparer.Ordinal)];
        if (files.Length == 0) throw new InvalidDataException($"'{path}' holds no {Ending} file.");
        string[] training = [.. files.Where(file => Path.GetFileName(file).StartsWith("train", StringComparison.OrdinalIgnoreCase))];
        if (training.Length == 0) return files;
        foreach (string other in files.Except(training)) leftOut.Add(new LeftOutPicture(Path.GetRelativePath(path, other), "it is another split than train; name it to take it"));
        return training;
    }
}
