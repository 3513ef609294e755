namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>NumPy's files: a single array (<c>.npy</c>, whose tensor is called <c>arr_0</c>), or a zip archive of them (<c>.npz</c>).</summary>
internal static class NumpyCheckpoint
{
    private const string Extension = ".npy";

    /// <summary>Array of UTF-8 JSON in which a converted checkpoint keeps its metadata.</summary>
    public const string MetadataName = "__metadata__";

    public static bool IsArray(ZipEntry entry) => entry.Name.EndsWith(Extension, StringComparison.Ordinal);

    public static ContainerFile OpenArray(string file, ByteSource source)
    {
        TensorInfo tensor = Describe(file, "arr_0", new RawStorage(source, 0, source.Length));
        return new ContainerFile(file, "npy", [tensor], new Dictionary<string, string>(), [source]);
    }

    public static ContainerFile OpenArchive(string file, ByteSource source, ZipDirectory directory)
    {
        List<TensorInfo> tensors = [];
        IReadOnlyDictionary<string, string> metadata = new Dictionary<string, string>();
        foreach (ZipEntry entry in directory.Entries.Where(IsArray))
        {
            string name = entry.Name[..^Extension.Length];
            TensorInfo tensor = Describe(file, name, new ZipStorage(directory, entry));
            if (name == MetadataName && tensor.DType == DType.U8 && JsonText.ReadStrings(tensor) is { } texts)
                metadata = texts;
            else
                tensors.Add(tensor);
        }
        return new ContainerFile(file, "npz", tensors, metadata, [source]);
    }

    private static TensorInfo Describe(string file, string name, TensorStorage content)
    {
        try
        {
            NpyHeader header;
            using (Stream stream = content.Open(0))
                header = NpyHeader.Read(stream);
            long held = content.Length - header.Length;
            if (header.DataBytes != held)
                throw new InvalidDataException($"{held} bytes follow for shape {TensorInfo.ShapeText(header.Shape)} of {header.Type}, which needs {header.DataBytes?.ToString() ?? "more than 2^63"}");
            int size = ElementConversion.SizeOf(header.Type);
            TensorStorage data = new StorageRange(content, header.Length, held);
            if (header.BigEndian && size > 1)
                data = new SwappedStorage(data, size);
            return header.Strides is { } strides
                ? Layout.Check(header.Shape, strides, 0, held / size)!.Describe(name, header.Type, data)
                : new TensorInfo(name, header.Type, header.Shape, held, data, 0);
        }
        catch (Exception error) when (error is IOException or InvalidDataException)
        {
            throw new CheckpointException($"{file}: array {CheckpointException.Quote(name)}: {error.Message}", error);
        }
    }
}
