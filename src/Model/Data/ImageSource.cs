using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Data;

/// <summary>Pictures of one size that are read in batches, so that more of them than memory holds can be gone through.</summary>
public abstract class ImageSource
{
    private protected ImageSource(string name, int count, int height, int width, int channels, IReadOnlyList<string>? classNames) =>
        (Name, Count, Height, Width, Channels, ClassNames) = (name, count, height, width, channels, classNames);

    /// <summary>Where they come from, a path for example.</summary>
    public string Name { get; }

    /// <summary>Number of pictures.</summary>
    public int Count { get; }

    /// <summary>Rows of every picture.</summary>
    public int Height { get; }

    /// <summary>Columns of every picture.</summary>
    public int Width { get; }

    /// <summary>Channels of every picture, 1 or 3.</summary>
    public int Channels { get; }

    /// <summary>Names of the classes, or null where nobody labelled the pictures.</summary>
    public IReadOnlyList<string>? ClassNames { get; }

    /// <summary>A source of pictures in memory.</summary>
    /// <param name="images">The pictures.</param>
    /// <param name="name">Where they come from.</param>
    /// <param name="labelled">Whether their labels mean anything.</param>
    public static ImageSource Of(ImageDataset images, string name, bool labelled) => new InMemory(images, name, labelled);

    /// <summary>
    /// Opens an <c>.npz</c> file (<c>arr_0</c> u8 NHWC, <c>arr_1</c> labels if known), or a file of images in the IDX format, with its labels in the file of the same name
    /// with "labels-idx1" for "images-idx3". Folders of pictures are opened by <c>PictureSource</c> of NativeDiffusion.Pictures.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidDataException">It is none of these, is damaged, or its pictures differ in size; the message names it.</exception>
    /// <exception cref="IOException">It is missing or cannot be read.</exception>
    public static ImageSource Open(string path)
    {
        if (!File.Exists(path)) throw new FileNotFoundException($"There is no file or folder '{path}'.", path);
        if (path.EndsWith(".npz", StringComparison.OrdinalIgnoreCase)) return new Arrays(path);
        string file = Path.GetFileName(path);
        if (!file.Contains("idx3", StringComparison.Ordinal))
            throw new InvalidDataException($"'{path}' is no set of pictures: a folder of pictures, an .npz file, or an IDX file (its name has idx3).");
        string labels = Path.Combine(Path.GetDirectoryName(path) ?? "", file.Replace("images", "labels", StringComparison.Ordinal).Replace("idx3", "idx1", StringComparison.Ordinal));
        return labels != path && File.Exists(labels) ? Of(IdxFile.Load(path, labels), path, labelled: true) : Of(IdxFile.LoadUnlabelled(path), path, labelled: false);
    }

    /// <summary>All pictures in order, a batch at a time.</summary>
    /// <param name="most">Pictures of a batch.</param>
    public abstract IEnumerable<ImageDataset> Batches(int most);

    /// <summary>What a picture is called: its file, or its number.</summary>
    /// <param name="index">The picture.</param>
    public virtual string NameOf(int index) => $"#{index}";

    private sealed class InMemory(ImageDataset images, string name, bool labelled)
        : ImageSource(name, images.Count, images.Height, images.Width, images.Channels, labelled ? images.ClassNames : null)
    {
        public override IEnumerable<ImageDataset> Batches(int most)
        {
            for (int i = 0; i < Count; i += most) yield return images.Subset(i, Math.Min(most, Count - i));
        }
    }

    /// <summary>An archive of arrays, of which only labels are held.</summary>
    private sealed class Arrays : ImageSource
    {
        private readonly int[] _labels;

        public Arrays(string path) : this(path, Header(path))
        {
        }

        private Arrays(string path, (int[] Shape, int[]? Labels) header)
            : base(path, header.Shape[0], header.Shape[1], header.Shape[2], header.Shape[3], header.Labels is { } l ? [.. Enumerable.Range(0, l.Max() + 1).Select(i => $"{i}")] : null) =>
            _labels = header.Labels ?? new int[header.Shape[0]];

        public override IEnumerable<ImageDataset> Batches(int most)
        {
            using var file = CheckpointFile.Open(Name);
            using var reader = file.OpenTensor("arr_0");
            for (int start = 0; start < Count; start += most)
            {
                int count = Math.Min(most, Count - start);
                byte[] pixels = new byte[checked(count * Height * Width * Channels)];
                reader.ReadBytes(pixels);
                yield return new ImageDataset(Height, Width, Channels, pixels, _labels.AsMemory(start, count), ClassNames ?? ["image"]);
            }
        }

        private static (int[] Shape, int[]? Labels) Header(string path)
        {
            try
            {
                using var file = CheckpointFile.Open(path);
                if (!file.Contains("arr_0")) throw new InvalidDataException($"'{path}' has no array 'arr_0' with the images; it has: {string.Join(", ", file.Tensors.Select(t => t.Name))}.");
                var images = file.Find("arr_0");
                if (images.DType != DType.U8 || images.Shape.Length != 4 || images.Shape[3] is not (1 or 3) || images.ElementCount == 0 || images.Shape.Any(e => e > int.MaxValue))
                    throw new InvalidDataException($"'{path}': 'arr_0' is {images}; images are U8 of shape (N, H, W, 1 or 3).");
                int[] shape = [.. images.Shape.Select(e => (int)e)];
                if (!file.Contains("arr_1")) return (shape, null);
                const int mostClasses = 1 << 20;
                long[] labels = file.ReadInt64("arr_1");
                if (labels.Length != shape[0]) throw new InvalidDataException($"'{path}': 'arr_1' has {labels.Length} labels for {shape[0]} images.");
                return (shape, [.. labels.Select(l => l is >= 0 and < mostClasses ? (int)l : throw new InvalidDataException($"'{path}': 'arr_1' has the label {l}; labels are 0 to {mostClasses - 1}."))]);
            }
            catch (CheckpointException e)
            {
                throw new InvalidDataException($"'{path}' is not a readable .npz file: {e.Message.TrimEnd('.')}.", e);
            }
        }
    }
}
