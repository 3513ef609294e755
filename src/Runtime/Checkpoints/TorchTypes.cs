namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>The element types of PyTorch under the names that its files use; absent: complex, quantized and 8-bit floating point.</summary>
internal static class TorchTypes
{
    private static readonly (DType Type, string Storage, string Name)[] Known =
    [
        (DType.F64, "Double", "float64"), (DType.F32, "Float", "float32"), (DType.F16, "Half", "float16"), (DType.BF16, "BFloat16", "bfloat16"),
        (DType.I64, "Long", "int64"), (DType.I32, "Int", "int32"), (DType.I16, "Short", "int16"), (DType.I8, "Char", "int8"),
        (DType.U8, "Byte", "uint8"), (DType.Bool, "Bool", "bool"),
        (DType.U16, "", "uint16"), (DType.U32, "", "uint32"), (DType.U64, "", "uint64"),
    ];

    private static readonly Dictionary<string, DType> ByStorage =
        Known.Where(k => k.Storage.Length > 0).ToDictionary(k => $"torch.{k.Storage}Storage", k => k.Type, StringComparer.Ordinal);

    private static readonly Dictionary<string, DType> ByName = Known.ToDictionary(k => $"torch.{k.Name}", k => k.Type, StringComparer.Ordinal);

    /// <summary>The type of <c>torch.FloatStorage</c> and its like; null for others.</summary>
    public static DType? OfStorage(object? global) => Find(ByStorage, global);

    /// <summary>The type that <c>torch.float32</c> and its like name; null for others.</summary>
    public static DType? OfName(object? global) => Find(ByName, global);

    /// <summary>Bytes per element of a storage class, also of types that are not read; null for an unknown one.</summary>
    public static int? SizeOf(object? storage) => OfStorage(storage) is { } type
        ? ElementConversion.SizeOf(type)
        : (storage as PickleGlobal)?.Name switch
        {
            "UntypedStorage" or "QInt8Storage" or "QUInt8Storage" or "QUInt4x2Storage" or "QUInt2x4Storage" => 1,
            "QInt32Storage" => 4,
            "ComplexFloatStorage" => 8,
            "ComplexDoubleStorage" => 16,
            _ => null,
        };

    /// <summary>The storage class of a type, as in <c>FloatStorage</c>; null if there is none.</summary>
    public static string? StorageOf(DType type) => Known.First(k => k.Type == type).Storage is { Length: > 0 } name ? name + "Storage" : null;

    private static DType? Find(Dictionary<string, DType> types, object? global) =>
        global is PickleGlobal { FullName: var name } && types.TryGetValue(name, out DType type) ? type : null;
}
