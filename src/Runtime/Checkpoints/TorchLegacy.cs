using System.Buffers.Binary;
using System.Numerics;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>
/// What <c>torch.save</c> wrote before version 1.6, and still writes for storages inside plain pickles: the pickles of a magic number, a
/// version, facts of the machine, the object and the storages' keys, then for each key its number of elements and the elements.
/// </summary>
internal sealed class TorchLegacy
{
    private const long ProtocolVersion = 1001;
    private static readonly BigInteger Magic = BigInteger.Parse("1950a86a20f9469cfc6c", System.Globalization.NumberStyles.HexNumber);

    private readonly string _file;
    private readonly Dictionary<string, TensorStorage> _storages = new(StringComparer.Ordinal);

    private TorchLegacy(string file) => _file = file;

    /// <summary>What was saved.</summary>
    public object? Content { get; private set; }

    /// <summary>Whether the first pickle of a file is the one that begins this format.</summary>
    public static bool IsMagic(object? first) => first is BigInteger number && number == Magic;

    /// <summary>Reads everything but the elements, from a range of a source.</summary>
    /// <exception cref="CheckpointException">It is damaged.</exception>
    public static TorchLegacy Read(string file, ByteSource source, long start, long end)
    {
        PickleInput input = new(file, source, start, end);
        PickleMachine machine = new(file, input, end - start);
        return IsMagic(machine.Run())
            ? Read(file, source, input, machine, end)
            : throw new CheckpointException($"{file}: the {end - start} bytes at {start} do not begin like a PyTorch file");
    }

    /// <summary>The same, once the magic number has been read.</summary>
    public static TorchLegacy Read(string file, ByteSource source, PickleInput input, PickleMachine machine, long end)
    {
        TorchLegacy legacy = new(file);
        if (machine.Run() is not ProtocolVersion)
            throw new CheckpointException($"{file}: this version of PyTorch's old format is not known; only {ProtocolVersion} is");
        machine.Run(); // the machine's byte order and sizes, which do not change how elements are written
        legacy.Content = machine.Run();
        Dictionary<string, TorchStorageId> described = new(StringComparer.Ordinal);
        foreach (PicklePersistentId id in machine.PersistentIds)
            if (TorchStorageId.Parse(file, id) is { } storage)
                described.TryAdd(storage.Key, storage);
        if (machine.Run() is not PickleList keys)
            throw new CheckpointException($"{file}: the list of storages is missing");
        legacy.FindStorages(source, input.Position, end, keys, described);
        return legacy;
    }

    /// <summary>The storage that a persistent identity means; null where it means none.</summary>
    public TorchStorage? FindStorage(object? value)
    {
        if (value is not PicklePersistentId id || TorchStorageId.Parse(_file, id) is not { } storage)
            return null;
        return _storages.TryGetValue(storage.Key, out TensorStorage? bytes)
            ? storage.Of(_file, bytes)
            : throw new CheckpointException($"{_file}: there is no storage {CheckpointException.Quote(storage.Key)}, although a tensor lies in it");
    }

    private void FindStorages(ByteSource source, long position, long end, PickleList keys, Dictionary<string, TorchStorageId> described)
    {
        Span<byte> number = stackalloc byte[8];
        foreach (object? item in keys.Items)
        {
            if (item is not string key || !described.TryGetValue(key, out TorchStorageId? storage))
                throw new CheckpointException($"{_file}: the list of storages names one that is not described");
            if (end - position < 8)
                throw new CheckpointException($"{_file}: storage {CheckpointException.Quote(key)} is missing; the file is cut short");
            source.Read(position, number);
            long count = BinaryPrimitives.ReadInt64LittleEndian(number), size = storage.Size;
            position += 8;
            if (count < 0 || count > (end - position) / size)
            {
                throw new CheckpointException(
                    $"{_file}: storage {CheckpointException.Quote(key)} says {count} elements but only {end - position} bytes follow; the file is cut short or damaged");
            }
            if (!_storages.TryAdd(key, new RawStorage(source, position, count * size)))
                throw new CheckpointException($"{_file}: storage {CheckpointException.Quote(key)} is listed twice");
            position += count * size;
        }
    }
}
