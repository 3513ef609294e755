using System.CommandLine;
using NativeDiffusion.Runtime;
using NativeDiffusion.Pictures;

namespace NativeDiffusion.Cli.Training;

/// <summary>The options of <c>train</c> that say what is trained on.</summary>
internal sealed class DataOptions
{
    private static readonly (string, PictureCrop)[] CropNames = [("centre", PictureCrop.Centre), ("random", PictureCrop.Random)];

    private readonly Option<string?> _images = CliOptions.Text("--images", "FILE", "Images in IDX format, plain or gzip. Left out: the digits that come with the tool.");
    private readonly Option<string?> _labels = CliOptions.Text("--labels", "FILE", "Labels in IDX format, for --images.");

    private readonly Option<string?> _classNames = CliOptions.Text(
        "--class-names", "LIST", "With --images: names of the classes in the order of their numbers, separated by commas; or a text file with one name a line.");

    private readonly Option<string?> _folder = CliOptions.Text(
        "--folder", "DIR", "Folder of pictures (JPEG, PNG, WebP, GIF, BMP), one sub-folder for each class; or pictures alone, for a model without classes.");

    private readonly Option<string[]> _parquet = new("--parquet")
    {
        Description = "Data set in Parquet files as the Hugging Face hub serves them: files, or their folder.", HelpName = "PATH", AllowMultipleArgumentsPerToken = true,
    };

    private readonly Option<string?> _imageColumn = CliOptions.Text("--image-column", "NAME", "With --parquet: the column of pictures. [default: what the file says]");
    private readonly Option<string?> _labelColumn = CliOptions.Text("--label-column", "NAME", "With --parquet: the column of labels. [default: what the file says]");

    private readonly Option<int?> _size = CliOptions.OptionalInteger(
        "--size", "N", "With --folder or --parquet: bring pictures to N x N, the shorter side resized (antialiased bicubic), the longer cut. [default: that of a preset for photos, else as they are, all of one size]", 4, 2048);

    private readonly Option<PictureCrop?> _crop = CliOptions.OptionalChoice<PictureCrop>("--crop", "With --size: which part of the longer side is taken; random takes another one in each step.", CropNames, "centre");
    private readonly Option<bool> _skipBad = new("--skip-bad") { Description = "With --folder or --parquet: leave out what cannot be read, and list it, instead of stopping at the first." };

    private readonly Option<string?> _packs = CliOptions.Text(
        "--packs", "DIR", "Where decoded pictures are kept for later trainings; may be deleted at any time. [default: packs/ beside the folder of the training]");

    /// <summary>All of them.</summary>
    public IReadOnlyList<Option> All => [_images, _labels, _classNames, _folder, _parquet, _imageColumn, _labelColumn, _size, _crop, _skipBad, _packs];

    /// <summary>The size that pictures are to be brought to; null where they are taken as they are, and for other data.</summary>
    public int? SizeFrom(ParseResult parsed) => parsed.IsGiven(_folder) || parsed.IsGiven(_parquet) ? parsed.GetValue(_size) : null;

    /// <summary>Whether the data are pictures in files.</summary>
    public bool ArePictures(ParseResult parsed) => parsed.IsGiven(_folder) || parsed.IsGiven(_parquet);

    /// <summary>The data that the user named, or null.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="presetSize">Size of pictures where none is given; null leaves them as they are.</param>
    /// <exception cref="UsageException">Options that exclude or need each other.</exception>
    public DataSource? From(ParseResult parsed, int? presetSize)
    {
        string? images = parsed.GetValue(_images), folder = parsed.GetValue(_folder);
        string[] parquet = parsed.IsGiven(_parquet) ? parsed.GetValue(_parquet)! : [];
        if (images is null != parsed.GetValue(_labels) is null) throw new UsageException("--images and --labels belong together; give both.");
        string[] kinds = [.. new[] { (images is not null, "--images"), (folder is not null, "--folder"), (parquet.Length > 0, "--parquet") }.Where(k => k.Item1).Select(k => k.Item2)];
        if (kinds.Length > 1) throw new UsageException($"{string.Join(" and ", kinds)} are {(kinds.Length == 2 ? "two" : "three")} kinds of data; give one of them.");
        bool pictures = folder is not null || parquet.Length > 0;
        Require(parsed, pictures, "--folder or --parquet", _size, _crop, _skipBad, _packs);
        Require(parsed, parquet.Length > 0, "--parquet", _imageColumn, _labelColumn);
        Require(parsed, images is not null, "--images and --labels", _classNames);
        Require(parsed, parsed.IsGiven(_size) || presetSize is not null, "--size", _crop);
        return kinds.Length == 0 ? null : new DataSource
        {
            Images = images, Labels = parsed.GetValue(_labels), Folder = folder, Parquet = parquet.Length > 0 ? parquet : null, ImageColumn = parsed.GetValue(_imageColumn),
            LabelColumn = parsed.GetValue(_labelColumn), ClassNames = NamesFrom(parsed), Size = parsed.GetValue(_size) ?? (pictures ? presetSize : null), Crop = parsed.GetValue(_crop),
            SkipBad = parsed.GetValue(_skipBad) ? true : null, Packs = parsed.GetValue(_packs),
        };
    }

    private string[]? NamesFrom(ParseResult parsed)
    {
        if (parsed.GetValue(_classNames) is not { } text) return null;
        string[] names = File.Exists(text) ? [.. InputFile.ReadAllText(text).Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0)] : [.. text.Split(',').Select(name => name.Trim())];
        if (names.Any(name => name.Length == 0) || names.Distinct().Count() < names.Length) throw new UsageException($"{_classNames.Name} takes different names, none of them empty; got '{text}'.");
        return names;
    }

    private static void Require(ParseResult parsed, bool fits, string what, params Option[] options)
    {
        if (!fits && options.FirstOrDefault(parsed.IsGiven) is { } option) throw new UsageException($"{option.Name} belongs to {what}; give it as well, or leave {option.Name} out.");
    }
}
