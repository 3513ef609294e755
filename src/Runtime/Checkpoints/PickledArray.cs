namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>One of NumPy's arrays in a pickle, as inert as PyTorch's records: type, extents and bytes.</summary>
internal sealed record PickledArray(DType Type, bool BigEndian, bool FortranOrder, object?[] Shape, PickleBytes Data)
{
    /// <summary>The array that a record makes; null if it makes something else, or of elements that no tensor has.</summary>
    /// <exception cref="CheckpointException">It is one, written in a way that is not read.</exception>
    public static PickledArray? Of(string file, string name, PickleRecord record)
    {
        switch (record.Callable)
        {
            case "numpy.core.multiarray._reconstruct" or "numpy._core.multiarray._reconstruct":
                if (record.State is not (object?[] and [_, object?[] shape, PickleRecord type, bool fortran, var data])) return null;
                return Of(file, name, type, shape, fortran, data);
            case "numpy.core.numeric._frombuffer" or "numpy._core.numeric._frombuffer":
                if (record.Arguments is not [var buffer, PickleRecord element, object?[] extents, string order, ..]) return null;
                return Of(file, name, element, extents, order == "F", buffer);
            default:
                return null;
        }
    }

    private static PickledArray? Of(string file, string name, PickleRecord type, object?[] shape, bool fortran, object? data)
    {
        if (type is not { Callable: "numpy.dtype", Arguments: [string code, ..] } || NpyHeader.TypeOf(code) is not { } known) return null;
        if (data is not PickleBytes bytes)
            throw new CheckpointException($"{file}: NumPy's array {CheckpointException.Quote(name)} is pickled by protocol 0 to 2, whose arrays are not read; pickle it by protocol 3 or above, or save it by numpy.savez");
        return new PickledArray(known, type.State is object?[] and [_, ">", ..], fortran, shape, bytes);
    }
}
