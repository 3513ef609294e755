using NativeDiffusion.Model.Data;
using NativeDiffusion.Pictures;

namespace NativeDiffusion.Cli.Training;

/// <summary>Where training images come from; the shipped digits when everything is null. Kept in settings.json for resuming.</summary>
internal sealed record DataSource
{
    public string? Images { get; init; }

    public string? Labels { get; init; }

    public string? Folder { get; init; }

    public string[]? Parquet { get; init; }

    public string? ImageColumn { get; init; }

    public string? LabelColumn { get; init; }

    public string[]? ClassNames { get; init; }

    public int? Size { get; init; }

    public PictureCrop? Crop { get; init; }

    public bool? SkipBad { get; init; }

    public string? Packs { get; init; }

    /// <summary>The same with full paths, so that it is found from another folder.</summary>
    public DataSource Absolute() =>
        this with { Images = Full(Images), Labels = Full(Labels), Folder = Full(Folder), Parquet = Parquet is null ? null : [.. Parquet.Select(p => Path.GetFullPath(p))], Packs = Full(Packs) };

    /// <summary>Reads or packs the images, and says what was found.</summary>
    /// <param name="context">Where progress and the summary go.</param>
    /// <param name="runFolder">The folder of the training: packs lie beside it, so that all trainings there share them.</param>
    /// <exception cref="InvalidDataException">A file cannot be read; the message says what it is.</exception>
    public TrainingData Open(CliContext context, string runFolder)
    {
        if (Folder is null && Parquet is null)
            return new TrainingData(Images is not null && Labels is not null ? IdxFile.Load(Images, Labels, ClassNames) : ShippedDigits.LoadTrain(), null);
        PictureList list = List();
        string packs = Packs ?? Path.Combine(Path.GetDirectoryName(Path.GetFullPath(Path.TrimEndingDirectorySeparator(runFolder))) ?? ".", "packs");
        var settings = new PackSettings { Size = Size, Crop = Crop ?? PictureCrop.Centre, SkipBad = SkipBad ?? false };
        PicturePack? pack = null;
        if (File.Exists(PicturePack.PathOf(list, settings, packs))) pack = PicturePack.Open(list, settings, packs, cancellation: context.Cancellation);
        else
        {
            WritableFolder.Require(packs);
            ConsoleProgress.Run(context, "picture", 0, list.Count, progress =>
                pack = PicturePack.Open(list, settings, packs, new ImmediateProgress<int>(done => progress.Report(done, "decoding")), context.Cancellation));
        }
        PictureSummary.Write(context.Error, list, pack!);
        return new TrainingData(pack!, pack);
    }

    /// <summary>Images of the same form and classes, for a measurement; pictures in files are not decoded for it.</summary>
    /// <exception cref="UsageException">They have no size yet.</exception>
    public ITrainingImages Example(CliContext context)
    {
        if (Folder is null && Parquet is null) return Open(context, ".").Images;
        int size = Size ?? throw new UsageException("--estimate needs the size of the pictures: give --size.");
        const int count = 8;
        var list = List();
        byte[] pixels = new byte[count * size * size * 3];
        new Random(0).NextBytes(pixels);
        return new ImageDataset(size, size, 3, pixels, new int[count], list.ClassNames.Count > 0 ? list.ClassNames : ["picture"]);
    }

    private PictureList List() => Folder is not null ? PictureFolder.Open(Folder) : ParquetPictures.Open(Parquet!, ImageColumn, LabelColumn);

    private static string? Full(string? path) => path is null ? null : Path.GetFullPath(path);
}

/// <summary>The images of a training, and the pack that is open for them.</summary>
internal sealed record TrainingData(ITrainingImages Images, PicturePack? Pack) : IDisposable
{
    public void Dispose() => Pack?.Dispose();
}
