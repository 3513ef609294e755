using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Images;

namespace NativeDiffusion.Pictures;

/// <summary>A picture that is not used, and why.</summary>
/// <param name="Name">Its path below the folder, or its row in a table.</param>
/// <param name="Why">The reason, as the rest of a sentence.</param>
public sealed record LeftOutPicture(string Name, string Why);

/// <summary>Pictures of any sizes, found but not decoded: a folder (<see cref="PictureFolder"/>) or tables (<see cref="ParquetPictures"/>).</summary>
public abstract class PictureList
{
    private protected PictureList(string name) => Name = name;

    /// <summary>Where they come from, a path for example.</summary>
    public string Name { get; }

    /// <summary>Number of pictures.</summary>
    public abstract int Count { get; }

    /// <summary>One name for each class, in the order of the labels; empty for pictures without classes.</summary>
    public abstract IReadOnlyList<string> ClassNames { get; }

    /// <summary>What was found beside them and is not used.</summary>
    public abstract IReadOnlyList<LeftOutPicture> LeftOut { get; }

    /// <summary>A text that changes with any of the files: names, sizes, times of change.</summary>
    internal abstract string State { get; }

    /// <summary>The pictures in order.</summary>
    internal abstract IEnumerable<PictureEntry> Entries();

    /// <summary>Decodes all of them into memory. If every picture is grey there is one channel, otherwise three.</summary>
    /// <param name="size">
    /// Height and width that each is brought to, at least 1: the shorter side resized (antialiased bicubic), of the longer the middle kept. Null takes them as they are, which must be of one size.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">The size is less than 1.</exception>
    /// <exception cref="InvalidDataException">A file is damaged or no picture, two pictures differ in size, or they need more than one array holds; the message names the file.</exception>
    public ImageDataset Load(int? size = null)
    {
        if (size is { } given) ArgumentOutOfRangeException.ThrowIfLessThan(given, 1, nameof(size));
        List<Image> images = [];
        List<int> labels = [];
        string first = "";
        foreach (var entry in Entries())
        {
            var image = PictureFit.ToSquare(PictureReader.Decode(entry.Read(), entry.Name), size);
            if (images.Count == 0) first = entry.Name;
            else if ((image.Width, image.Height) != (images[0].Width, images[0].Height))
                throw new InvalidDataException(
                    $"'{entry.Name}' is {image.Width} x {image.Height} but '{first}' is {images[0].Width} x {images[0].Height}; all images must have one size. Bring them to one by giving a size.");
            images.Add(image);
            labels.Add(entry.Label);
        }
        int channels = images.Max(image => image.Channels);
        long row = (long)images[0].Width * images[0].Height * channels;
        if (row * images.Count > Array.MaxLength)
            throw new InvalidDataException($"The {images.Count} images of '{Name}' need {row * images.Count} bytes, more than the {Array.MaxLength} of one dataset.");
        byte[] pixels = new byte[row * images.Count];
        for (int i = 0; i < images.Count; i++) (channels == 3 ? images[i].ToRgb() : images[i]).Pixels.Span.CopyTo(pixels.AsSpan((int)(i * row)));
        return new ImageDataset(
            images[0].Height, images[0].Width, channels, pixels, labels.ToArray(), ClassNames.Count > 0 ? ClassNames : [Path.GetFileName(Path.GetFullPath(Name).TrimEnd(Path.DirectorySeparatorChar))]);
    }
}

/// <summary>One picture of a list, not decoded yet.</summary>
/// <param name="Name">Its path, or its row in a table.</param>
/// <param name="Label">Its class; 0 without classes.</param>
/// <param name="Read">Gives the bytes of its file.</param>
internal sealed record PictureEntry(string Name, int Label, Func<byte[]> Read);
