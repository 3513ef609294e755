using NativeDiffusion.Model.Images;

namespace NativeDiffusion.Model.Data;

/// <summary>Reads datasets from folders of PNG files.</summary>
public static class PngFolder
{
    /// <summary>
    /// Loads a folder with one sub-folder per class. Classes are the sub-folders in ordinal order of their names, images the
    /// <c>.png</c> files of each in ordinal order; other files, deeper folders and names that start with a dot are ignored. If every
    /// image is grey the dataset has one channel, otherwise three.
    /// </summary>
    /// <exception cref="InvalidDataException">
    /// There is no sub-folder, one has no PNG file, a file is not a sound PNG, or two images differ in size.
    /// </exception>
    /// <exception cref="IOException">A folder is missing or cannot be read.</exception>
    public static ImageDataset Load(string folder)
    {
        string[] classes = ClassFolders(folder);
        if (classes.Length == 0)
            throw new InvalidDataException($"'{folder}' has no sub-folders; make one per class and put its PNG files inside.");

        List<string> paths = [];
        List<int> labels = [];
        for (int label = 0; label < classes.Length; label++)
            foreach (string path in PngFiles(classes[label]))
            {
                paths.Add(path);
                labels.Add(label);
            }

        return Load(paths, [.. labels], Array.ConvertAll(classes, path => Path.GetFileName(path)));
    }

    /// <summary>Loads the PNG files that lie directly in <paramref name="folder"/>, in ordinal order, as one class with the folder's name.</summary>
    /// <exception cref="InvalidDataException">There is no PNG file, a file is not a sound PNG, or two images differ in size.</exception>
    /// <exception cref="IOException">The folder is missing or cannot be read.</exception>
    public static ImageDataset LoadUnlabelled(string folder)
    {
        List<string> paths = PngFiles(folder);
        return Load(paths, new int[paths.Count], [Path.GetFileName(Path.GetFullPath(folder).TrimEnd(Path.DirectorySeparatorChar))]);
    }

    /// <summary>The files behind the images of <see cref="Load(string)"/> (or, without sub-folders, of <see cref="LoadUnlabelled"/>), in their order.</summary>
    /// <exception cref="InvalidDataException">There is no PNG file.</exception>
    /// <exception cref="IOException">The folder is missing or cannot be read.</exception>
    public static IReadOnlyList<string> Files(string folder)
    {
        string[] classes = ClassFolders(folder);
        return classes.Length == 0 ? PngFiles(folder) : [.. classes.SelectMany(PngFiles)];
    }

    /// <summary>Whether the folder has sub-folders, so that <see cref="Load(string)"/> reads it.</summary>
    /// <exception cref="IOException">The folder is missing or cannot be read.</exception>
    public static bool HasClasses(string folder) => ClassFolders(folder).Length > 0;

    private static string[] ClassFolders(string folder)
    {
        string[] classes = Directory.GetDirectories(folder).Where(path => !Path.GetFileName(path).StartsWith('.')).ToArray();
        Array.Sort(classes, StringComparer.Ordinal);
        return classes;
    }

    private static List<string> PngFiles(string folder)
    {
        List<string> paths = Directory.GetFiles(folder)
            .Where(path => path.EndsWith(".png", StringComparison.OrdinalIgnoreCase) && !Path.GetFileName(path).StartsWith('.')).ToList();
        paths.Sort(StringComparer.Ordinal);
        return paths.Count > 0 ? paths : throw new InvalidDataException($"'{folder}' holds no PNG files.");
    }

    private static ImageDataset Load(List<string> paths, int[] labels, IReadOnlyList<string> classNames)
    {
        Image first = PngReader.Read(paths[0]);
        List<Image> images = [first];
        foreach (string path in paths.Skip(1))
        {
            Image image = PngReader.Read(path);
            if ((image.Width, image.Height) != (first.Width, first.Height))
                throw new InvalidDataException(
                    $"'{path}' is {image.Width} x {image.Height} but '{paths[0]}' is {first.Width} x {first.Height}; all images must have one size.");
            images.Add(image);
        }

        int channels = images.Max(image => image.Channels);
        long row = (long)first.Width * first.Height * channels;
        if (row * images.Count > Array.MaxLength)
            throw new InvalidDataException(
                $"The {images.Count} images beside '{paths[0]}' need {row * images.Count} bytes, more than the {Array.MaxLength} of one dataset.");
        byte[] pixels = new byte[row * images.Count];
        for (int i = 0; i < images.Count; i++)
            (channels == 3 ? images[i].ToRgb() : images[i]).Pixels.Span.CopyTo(pixels.AsSpan((int)(i * row)));
        return new ImageDataset(first.Height, first.Width, channels, pixels, labels, classNames);
    }
}
