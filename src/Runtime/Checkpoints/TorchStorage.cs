namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>A PyTorch storage: where its bytes lie, and the type of its elements; null for untyped ones and for types that are not read.</summary>
internal sealed record TorchStorage(TensorStorage Bytes, long Begin, long End, DType? Type);

/// <summary>A persistent identity <c>('storage', type, key, location, count[, view])</c>; sizes are in bytes, counts in elements.</summary>
internal sealed record TorchStorageId(DType? Type, int Size, string Key, long Count, object?[]? View)
{
    /// <summary>Takes the identity apart; null where it is none, or of an unknown type.</summary>
    /// <exception cref="CheckpointException">The count cannot be.</exception>
    public static TorchStorageId? Parse(string file, PicklePersistentId id)
    {
        if (id.Id is not object?[] { Length: 5 or 6 } parts || parts is not ["storage", var type, string key, _, long count, ..])
            return null;
        if (TorchTypes.SizeOf(type) is not { } size)
            return null;
        if (count < 0 || count > long.MaxValue / size)
            throw new CheckpointException($"{file}: storage {CheckpointException.Quote(key)} says {count} elements");
        return new TorchStorageId(TorchTypes.OfStorage(type), size, key, count, parts.Length == 6 ? parts[5] as object?[] : null);
    }

    /// <summary>The part of the storage's bytes that this identity means: all, or, as files before version 0.4 could say, a view.</summary>
    /// <exception cref="CheckpointException">There are fewer bytes, or the view lies outside them.</exception>
    public TorchStorage Of(string file, TensorStorage bytes)
    {
        if (Count * Size > bytes.Length)
            throw new CheckpointException($"{file}: storage {CheckpointException.Quote(Key)} should have {Count * Size} bytes but has {bytes.Length}");
        return View switch
        {
            null => new TorchStorage(bytes, 0, Count * Size, Type),
            [_, long first, long count] when first >= 0 && count >= 0 && first <= Count - count =>
                new TorchStorage(bytes, first * Size, (first + count) * Size, Type),
            _ => throw new CheckpointException($"{file}: storage {CheckpointException.Quote(Key)} has a view that lies outside its {Count} elements"),
        };
    }
}
