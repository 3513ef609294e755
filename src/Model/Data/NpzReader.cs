using System.Runtime.InteropServices;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Data;

/// <summary>Reads <c>.npz</c> files, zip archives of NumPy arrays, stored or deflated.</summary>
public static class NpzReader
{
    /// <summary>Reads every array, by name without the ending <c>.npy</c>; other entries are ignored. Shorter whole numbers are widened.</summary>
    /// <exception cref="InvalidDataException">
    /// The archive or an array is damaged or has an unsupported type, or the arrays exceed 2 GB together; the message names file and entry.
    /// </exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    public static IReadOnlyDictionary<string, NpyArray> Read(string path)
    {
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no file '{path}'.", path);
        try
        {
            using var file = CheckpointFile.Open(path);
            if (file.Container != "npz")
                throw new CheckpointException($"{path}: this is {file.Container}");
            if (file.Tensors.Sum(t => (double)t.ByteLength) > Array.MaxLength)
                throw new CheckpointException($"{path}: its arrays take more than {Array.MaxLength} bytes");
            return file.Tensors.ToDictionary(t => t.Name, t => Read(file, t));
        }
        catch (CheckpointException exception)
        {
            throw new InvalidDataException($"'{path}' is not a readable .npz file: {exception.Message.TrimEnd('.')}.", exception);
        }
    }

    private static NpyArray Read(CheckpointFile file, TensorInfo tensor)
    {
        NpyType type = tensor.DType switch
        {
            DType.U8 => NpyType.UInt8,
            DType.I8 or DType.I16 or DType.U16 or DType.I32 => NpyType.Int32,
            DType.U32 or DType.I64 => NpyType.Int64,
            DType.F32 => NpyType.Float32,
            DType.F64 => NpyType.Float64,
            _ => throw new CheckpointException($"{file.Name}: array {tensor} is of a type that is not read here"),
        };
        if (tensor.Shape.Any(extent => extent > int.MaxValue))
            throw new CheckpointException($"{file.Name}: array {tensor} is too large");
        byte[] data = new byte[tensor.ByteLength];
        using TensorReader reader = file.OpenTensor(tensor.Name);
        reader.ReadBytes(data);
        return new NpyArray(type, Array.ConvertAll(tensor.Shape, extent => (int)extent), Widen(tensor.DType, data));
    }

    private static byte[] Widen(DType from, byte[] data)
    {
        Span<byte> bytes = data;
        return from switch
        {
            DType.I8 => Bytes<int>([.. data.Select(b => (int)(sbyte)b)]),
            DType.I16 => Bytes<int>([.. MemoryMarshal.Cast<byte, short>(bytes).ToArray().Select(v => (int)v)]),
            DType.U16 => Bytes<int>([.. MemoryMarshal.Cast<byte, ushort>(bytes).ToArray().Select(v => (int)v)]),
            DType.U32 => Bytes<long>([.. MemoryMarshal.Cast<byte, uint>(bytes).ToArray().Select(v => (long)v)]),
            _ => data,
        };

        static byte[] Bytes<T>(T[] values)
            where T : unmanaged => MemoryMarshal.AsBytes<T>(values).ToArray();
    }

    /// <summary>
    /// Reads images as <see cref="NpzWriter.Write(string, ImageDataset)"/> and the published samplers save them: <c>arr_0</c> u8
    /// NHWC, and <c>arr_1</c> integer labels if there are any. The classes are the numbers 0 to the largest label; without labels
    /// every image is of class 0.
    /// </summary>
    /// <param name="path">File to read.</param>
    /// <param name="labelled">Whether the file has labels.</param>
    /// <exception cref="InvalidDataException">The file is damaged or the arrays have other types or shapes; the message names the file.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    public static ImageDataset ReadImages(string path, out bool labelled)
    {
        IReadOnlyDictionary<string, NpyArray> arrays = Read(path);
        if (!arrays.TryGetValue("arr_0", out NpyArray? images))
            throw new InvalidDataException($"'{path}' has no array 'arr_0' with the images; it has: {string.Join(", ", arrays.Keys)}.");
        if (images.Type != NpyType.UInt8 || images.Shape.Count != 4 || images.Shape[3] is not (1 or 3) || images.Count == 0)
            throw new InvalidDataException(
                $"'{path}': 'arr_0' is {images.Type} of shape ({string.Join(", ", images.Shape)}); images are UInt8 of shape (N, H, W, 1 or 3).");

        int[] labels = new int[images.Shape[0]];
        labelled = arrays.TryGetValue("arr_1", out NpyArray? saved);
        if (labelled)
            labels = Labels(path, saved!, labels.Length);
        string[] names = Enumerable.Range(0, labels.Max() + 1).Select(index => index.ToString()).ToArray();
        return new ImageDataset(images.Shape[1], images.Shape[2], images.Shape[3], images.Data, labels, names);
    }

    private static int[] Labels(string path, NpyArray saved, int count)
    {
        if (saved.Type is NpyType.Float32 or NpyType.Float64 || saved.Shape.Count != 1 || saved.Count != count)
            throw new InvalidDataException(
                $"'{path}': 'arr_1' is {saved.Type} of shape ({string.Join(", ", saved.Shape)}); labels are {count} integers of shape ({count}).");
        const int mostClasses = 1 << 20;
        return Array.ConvertAll(saved.ToInt64(), label => label is >= 0 and < mostClasses
            ? (int)label
            : throw new InvalidDataException($"'{path}': 'arr_1' has the label {label}; labels are 0 to {mostClasses - 1}."));
    }
}
