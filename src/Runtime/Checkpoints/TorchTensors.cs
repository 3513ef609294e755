namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>Turns the records of <c>torch._utils._rebuild_tensor_v2(storage, offset, size, stride, ...)</c> and its kin into tensors, and those of NumPy's arrays.</summary>
/// <param name="file">Its name, for messages.</param>
/// <param name="findStorage">The storage that a value stands for.</param>
/// <param name="bytes">Where the bytes of NumPy's arrays lie; null where such arrays are not read.</param>
internal sealed class TorchTensors(string file, Func<object?, TorchStorage?> findStorage, ByteSource? bytes = null)
{
    // Views of one storage may overlap and repeat, so that a small file can describe more data than it has. Ties and expansions of real
    // checkpoints stay far below; what lies above could only fill a disk.
    private const long FreeBytes = 16 << 20;
    private const int MostTimes = 8;

    private readonly HashSet<TensorStorage> _storages = new(ReferenceEqualityComparer.Instance);
    private long _described, _stored;

    /// <summary>
    /// The tensor that a value stands for, with the wrappers for parameters and subclasses taken off; null if it is none, or of an element
    /// type that is not read.
    /// </summary>
    /// <exception cref="CheckpointException">It lies outside its storage, or its extents cannot be.</exception>
    public TensorInfo? Find(string name, object? value)
    {
        // A parameter around a subclass around a tensor is the deepest that is written.
        for (int depth = 0; depth < 4 && value is PickleRecord record; depth++)
        {
            switch (record.Callable)
            {
                case "torch._utils._rebuild_parameter" or "torch._utils._rebuild_parameter_with_state":
                    value = record.Arguments.FirstOrDefault();
                    break;
                case "torch._tensor._rebuild_from_type" or "torch._tensor._rebuild_from_type_v2":
                    value = record.Arguments is [var function, _, var arguments, ..] ? new PickleRecord(function, arguments) : null;
                    break;
                case "torch._utils._rebuild_tensor" or "torch._utils._rebuild_tensor_v2" or "torch._utils._rebuild_tensor_v3":
                    return Rebuild(name, record);
                default:
                    return bytes is not null && PickledArray.Of(file, name, record) is { } array ? Describe(name, array, bytes) : null;
            }
        }
        return null;
    }

    private TensorInfo Describe(string name, PickledArray array, ByteSource source)
    {
        TensorStorage data = new RawStorage(source, array.Data.Position, array.Data.Length);
        int size = ElementConversion.SizeOf(array.Type);
        if (array.BigEndian && size > 1)
            data = new SwappedStorage(data, size);
        long[] shape = Integers(name, array.Shape), strides = new long[shape.Length];
        long step = 1;
        for (int i = 0; i < shape.Length; i++)
        {
            int axis = array.FortranOrder ? i : shape.Length - 1 - i;
            strides[axis] = step;
            step = shape[axis] > 0 && step > long.MaxValue / shape[axis] ? long.MaxValue : step * shape[axis];
        }
        Layout layout = Layout.Check(shape, strides, 0, array.Data.Length / size) is { } found && found.Count * size == array.Data.Length ? found : throw Wrong(
            name, $"of shape {TensorInfo.ShapeText(shape)} and type {array.Type} has {array.Data.Length} bytes");
        Charge(name, data, layout.Count * size);
        return layout.Describe(name, array.Type, data);
    }

    private TensorInfo? Rebuild(string name, PickleRecord record)
    {
        if (record.Arguments is not [var storageValue, long offset, object?[] sizes, object?[] steps, ..])
            throw Wrong(name, "is not given by storage, offset, size and stride");
        long[] shape = Integers(name, sizes), strides = Integers(name, steps);
        if (shape.Length != strides.Length)
            throw Wrong(name, $"has {shape.Length} extents but {strides.Length} strides");
        if (findStorage(storageValue) is not { } storage)
            return null;
        DType? type = record.Callable == "torch._utils._rebuild_tensor_v3"
            ? TorchTypes.OfName(record.Arguments.ElementAtOrDefault(6))
            : storage.Type;
        if (type is null)
            return null;
        long size = ElementConversion.SizeOf(type.Value), first = storage.Begin / size, capacity = storage.End / size - first;
        Layout layout = Layout.Check(shape, strides, offset, capacity)?.After(first) ?? throw Wrong(
            name, $"of shape {TensorInfo.ShapeText(shape)}, strides {TensorInfo.ShapeText(strides)} and offset {offset} lies outside its storage of {capacity} elements");
        Charge(name, storage.Bytes, layout.Count * size);
        return layout.Describe(name, type.Value, storage.Bytes);
    }

    private void Charge(string name, TensorStorage storage, long bytes)
    {
        if (_storages.Add(storage))
            _stored += storage.Length;
        _described = bytes > long.MaxValue - _described ? long.MaxValue : _described + bytes;
        if (_described > FreeBytes + MostTimes * _stored)
            throw Wrong(name, $"repeats stored data: so far {_described} bytes of tensors are made of {_stored} bytes");
    }

    private long[] Integers(string name, object?[] values)
    {
        if (values.Length > SafetensorsHeader.HighestRank)
            throw Wrong(name, $"has {values.Length} extents, more than {SafetensorsHeader.HighestRank}");
        return Array.ConvertAll(values, v => v is long and >= 0 ? (long)v : throw Wrong(name, "has an extent or stride that is not a number from 0 to 2^63-1"));
    }

    private CheckpointException Wrong(string name, string what) => new($"{file}: tensor {CheckpointException.Quote(name)} {what}");
}
