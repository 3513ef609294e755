using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Images;

namespace NativeDiffusion.Pictures;

/// <summary>Opens what a path stands for: pictures of one size that are read in batches.</summary>
public static class PictureSource
{
    /// <summary>Opens a folder of pictures (one sub-folder for each class, if known), one picture, or what <see cref="ImageSource.Open"/> reads.</summary>
    /// <param name="path">The file or folder.</param>
    /// <param name="size">
    /// Height and width that pictures of a folder, and one picture, are brought to: the shorter side resized (antialiased bicubic), of the longer the middle kept. Null takes them as they are.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">The size is less than 1.</exception>
    /// <exception cref="InvalidDataException">It is none of these, is damaged, or its pictures differ in size; the message names it.</exception>
    /// <exception cref="IOException">It is missing or cannot be read.</exception>
    public static ImageSource Open(string path, int? size = null)
    {
        if (size is { } given) ArgumentOutOfRangeException.ThrowIfLessThan(given, 1, nameof(size));
        if (Directory.Exists(path)) return FolderSource.Of(PictureFolder.Open(path), size);
        if (!File.Exists(path) || !PictureKind.IsPictureName(path)) return ImageSource.Open(path);
        var image = PictureFit.ToSquare(PictureReader.Read(path), size);
        return ImageSource.Of(new ImageDataset(image.Height, image.Width, image.Channels, image.Pixels, new int[1], ["image"]), path, labelled: false);
    }
}

/// <summary>Files that are read one batch at a time.</summary>
internal sealed class FolderSource : ImageSource
{
    private readonly PictureFolder _folder;
    private readonly IReadOnlyList<string> _files;
    private readonly int[] _labels;
    private readonly int? _size;

    private FolderSource(PictureFolder folder, IReadOnlyList<string> files, Image first, int? size)
        : base(folder.Name, folder.Count, first.Height, first.Width, first.Channels, folder.ClassNames.Count > 0 ? folder.ClassNames : null) =>
        (_folder, _files, _labels, _size) = (folder, files, [.. folder.Labels], size);

    public static FolderSource Of(PictureFolder folder, int? size)
    {
        var files = folder.Files;
        return new FolderSource(folder, files, PictureFit.ToSquare(PictureReader.Read(files[0]), size), size);
    }

    public override string NameOf(int index) => Path.GetRelativePath(_folder.Name, _files[index]);

    public override IEnumerable<ImageDataset> Batches(int most)
    {
        int row = Height * Width * Channels;
        for (int start = 0; start < Count; start += most)
        {
            int count = Math.Min(most, Count - start);
            byte[] pixels = new byte[checked(count * row)];
            for (int i = 0; i < count; i++)
            {
                string path = _files[start + i];
                Image image = PictureFit.ToSquare(PictureReader.Read(path), _size);
                if (Channels == 3) image = image.ToRgb();
                if ((image.Width, image.Height, image.Channels) != (Width, Height, Channels))
                    throw new InvalidDataException(
                        $"'{path}' is {image.Width} x {image.Height} of {image.Channels} channels but '{_files[0]}' is {Width} x {Height} of {Channels}; all pictures of a set must be alike. "
                        + "Bring them to one size by one method first: how they are resized changes every metric.");
                image.Pixels.Span.CopyTo(pixels.AsSpan(i * row));
            }
            yield return new ImageDataset(Height, Width, Channels, pixels, _labels.AsMemory(start, count), ClassNames ?? ["image"]);
        }
    }
}
