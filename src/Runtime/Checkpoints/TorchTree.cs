using System.Globalization;
using System.Text;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>
/// Finds the tensors in what a pickle holds and gives them dotted names: keys of dictionaries, numbers of list items, and, in a module, the
/// names that its state dict would have (<c>_parameters</c>, <c>_buffers</c>, <c>_modules</c>). Modules are known by their state, not by
/// their class, which is never looked at.
/// </summary>
/// <param name="file">Its name, for messages.</param>
/// <param name="tensors">Recognises them.</param>
/// <param name="fileBytes">Bytes of the file, which bound what may be made of it.</param>
internal sealed class TorchTree(string file, TorchTensors tensors, long fileBytes)
{
    private const int Deepest = 64;
    private const int LongestName = 1 << 12;
    private const int FreeVisits = 1 << 18, FreeMemory = 16 << 20, TensorBytes = 256;

    // A file's tensor takes 100 bytes of it and more, whatever its name.
    private const int MemoryPerByte = 8;

    private readonly List<TensorInfo> _found = [];
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private readonly StringBuilder _path = new();
    private readonly long _mostVisits = FreeVisits + 4 * fileBytes, _mostMemory = FreeMemory + MemoryPerByte * fileBytes;
    private long _visits, _memory;

    /// <summary>Every tensor under a value, in order.</summary>
    /// <exception cref="CheckpointException">The value contains itself, is too deep or too large, or two tensors have one name.</exception>
    public List<TensorInfo> Find(object? root)
    {
        Visit(root, 0);
        return _found;
    }

    /// <summary>The state of a module or other object: what BUILD gave it, or what EDM's persistence keeps under <c>state</c>.</summary>
    public static PickleDict? StateOf(PickleRecord record) => record.Callable == "torch_utils.persistence._reconstruct_persistent_obj"
        ? (record.Arguments.FirstOrDefault() as PickleDict)?.Find("state") as PickleDict
        : record.State switch
        {
            PickleDict plain => plain,
            PickleRecord ordered => ordered.Entries,
            object?[] and [PickleDict plain, ..] => plain, // with __slots__
            _ => null,
        };

    private void Visit(object? value, int depth)
    {
        if (depth > Deepest)
            throw Wrong($"nests deeper than {Deepest} at {CheckpointException.Quote(_path.ToString())}, or contains itself");
        switch (value)
        {
            case PickleDict dictionary: VisitItems(dictionary, depth, null); break;
            case PickleList list: VisitList(list.Items, depth); break;
            case object?[] tuple: VisitList(tuple, depth); break;
            case PickleRecord record: VisitRecord(record, depth); break;
        }
    }

    private void VisitRecord(PickleRecord record, int depth)
    {
        Count(1);
        if (tensors.Find(_path.Length == 0 ? "tensor" : _path.ToString(), record) is { } tensor)
        {
            Add(tensor);
            return;
        }
        if (record.Callable == "collections.OrderedDict" && record.Arguments is [PickleList pairs])
            VisitPairs(pairs, depth);
        if (record.Entries is not null)
            VisitItems(record.Entries, depth, null);
        if (record.Elements is not null)
            VisitList(record.Elements.Items, depth);
        // A dictionary's own attributes (a state dict has its version numbers there) are no tensors.
        if (record.Entries is null && StateOf(record) is { } state)
            VisitState(state, depth);
    }

    private void VisitState(PickleDict state, int depth)
    {
        Count(state.Items.Count);
        if (ItemsOf(state.Find("_modules")) is not { } modules)
        {
            VisitItems(state, depth, null);
            return;
        }
        if (ItemsOf(state.Find("_parameters")) is { } parameters)
            VisitItems(parameters, depth, null);
        if (ItemsOf(state.Find("_buffers")) is { } buffers)
            VisitItems(buffers, depth, Strings(state.Find("_non_persistent_buffers_set")));
        VisitItems(modules, depth, null);
    }

    // How Python 2 wrote an ordered dictionary.
    private void VisitPairs(PickleList pairs, int depth)
    {
        Count(pairs.Items.Count);
        foreach (object? pair in pairs.Items)
        {
            IReadOnlyList<object?>? parts = pair is PickleList list ? list.Items : pair as object?[];
            if (parts is [var key, var value])
                VisitNamed(NameOf(key), value, depth);
        }
    }

    private void VisitItems(PickleDict dictionary, int depth, HashSet<string>? left)
    {
        Count(dictionary.Items.Count);
        foreach ((object? key, object? value) in dictionary.Items)
            if (left is null || key is not string name || !left.Contains(name))
                VisitNamed(NameOf(key), value, depth);
    }

    private void VisitList(IReadOnlyList<object?> items, int depth)
    {
        Count(items.Count);
        for (int i = 0; i < items.Count; i++)
            if (!IsPlain(items[i]))
                VisitNamed(i.ToString(CultureInfo.InvariantCulture), items[i], depth);
    }

    private void VisitNamed(string? name, object? value, int depth)
    {
        if (name is null || IsPlain(value))
            return;
        int length = _path.Length;
        if (length + name.Length >= LongestName)
            throw Wrong($"has a name of more than {LongestName} characters: {CheckpointException.Quote(_path + "." + name)}");
        if (length > 0)
            _path.Append('.');
        _path.Append(name);
        Visit(value, depth + 1);
        _path.Length = length;
    }

    private static string? NameOf(object? key) => key switch { string text => text, long number => number.ToString(CultureInfo.InvariantCulture), _ => null };

    private static bool IsPlain(object? value) => value is null or bool or long or double or string;

    private void Add(TensorInfo tensor)
    {
        if (!_names.Add(tensor.Name))
            throw Wrong($"has two tensors with the name {CheckpointException.Quote(tensor.Name)}");
        _memory += TensorBytes + 2 * tensor.Name.Length;
        if (_memory > _mostMemory)
            throw Wrong($"has tensors whose names and extents take more than {_mostMemory >> 20} MB, in a file of {fileBytes} bytes");
        _found.Add(tensor);
    }

    // The same dictionary may stand in many places, so that a short pickle can describe an endless tree.
    private void Count(int visits)
    {
        _visits += visits;
        if (_visits > _mostVisits)
            throw Wrong($"has more than {_mostVisits} entries, most of them repeated");
    }

    private static PickleDict? ItemsOf(object? value) => value as PickleDict ?? (value as PickleRecord)?.Entries
        ?? (value is PickleRecord { Callable: "collections.OrderedDict" } ? new PickleDict() : null);

    private HashSet<string>? Strings(object? set)
    {
        PickleList? names = set as PickleList ?? (set as PickleRecord)?.Arguments.FirstOrDefault() as PickleList;
        if (names is null || names.Items.Count == 0)
            return null;
        Count(names.Items.Count);
        return [.. names.Items.OfType<string>()];
    }

    private CheckpointException Wrong(string what) => new($"{file}: the pickle {what}");
}
