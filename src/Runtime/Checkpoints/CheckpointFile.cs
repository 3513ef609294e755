namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>
/// A file of named tensors, whatever its container. Opening reads and checks names, types and extents only; each tensor is read when asked
/// for, straight into the caller's memory.
/// </summary>
/// <remarks>Calls from several threads are safe.</remarks>
public abstract class CheckpointFile : IDisposable
{
    private Dictionary<string, TensorInfo>? _byName;

    private protected CheckpointFile(string name) => Name = name;

    /// <summary>The file's path, or the name that was given with a stream.</summary>
    public string Name { get; }

    /// <summary>The container in words, as in <c>safetensors</c>.</summary>
    public abstract string Container { get; }

    /// <summary>Free text that the file carries; empty if there is none.</summary>
    public abstract IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>The tensors, in the file's order; their names differ.</summary>
    public abstract IReadOnlyList<TensorInfo> Tensors { get; }

    private Dictionary<string, TensorInfo> ByName => _byName ??= Tensors.ToDictionary(t => t.Name, StringComparer.Ordinal);

    /// <summary>Opens a file; the container is recognised by its content, not by its name.</summary>
    /// <param name="path">
    /// Safetensors; PyTorch (zip, TorchScript, the format before 1.6, a plain pickle such as EDM's); NumPy (npz, npy); an index file
    /// (<c>*.index.json</c>) of a checkpoint in parts, or the folder with one.
    /// </param>
    /// <exception cref="CheckpointException">The file cannot be opened, is of no known kind, or is damaged.</exception>
    public static CheckpointFile Open(string path) => CheckpointContainer.Open(path);

    /// <summary>Whether the file holds a tensor of this name.</summary>
    /// <param name="name">The key.</param>
    public bool Contains(string name) => ByName.ContainsKey(name);

    /// <summary>Finds a tensor by name.</summary>
    /// <param name="name">The key.</param>
    /// <exception cref="CheckpointException">The file has no such tensor.</exception>
    public TensorInfo Find(string name)
    {
        if (ByName.TryGetValue(name, out TensorInfo? tensor))
            return tensor;
        string held = Tensors.Count == 0 ? "it holds none" : $"it holds {Tensors.Count}, the first being {Tensors[0]}";
        throw new CheckpointException($"{Name}: there is no tensor {CheckpointException.Quote(name)}; {held}");
    }

    /// <summary>
    /// Some of the tensors under other names: without a prefix, or translated from another library's names. The result is a view that needs
    /// this file open and need not be disposed of itself.
    /// </summary>
    /// <param name="rename">The new name of a tensor, or null to leave it out.</param>
    /// <exception cref="CheckpointException">Two tensors would have one name.</exception>
    public CheckpointFile Renamed(Func<string, string?> rename) => new RenamedCheckpoint(this, rename);

    /// <summary>The tensors whose names begin with a prefix, without it; see <see cref="Renamed"/>.</summary>
    /// <param name="prefix">As in <c>ema.</c>; the empty prefix gives all tensors.</param>
    public CheckpointFile Within(string prefix) =>
        Renamed(name => name.StartsWith(prefix, StringComparison.Ordinal) ? name[prefix.Length..] : null);

    /// <summary>Begins to read a tensor in pieces.</summary>
    /// <param name="name">The key.</param>
    /// <exception cref="CheckpointException">No such tensor, or the file cannot be read.</exception>
    public TensorReader OpenTensor(string name) => new(Name, Find(name));

    /// <summary>Reads a whole tensor as float; see <see cref="TensorReader.Read(Span{float})"/>.</summary>
    /// <param name="name">The key.</param>
    /// <param name="destination">Exactly as long as the tensor has elements.</param>
    /// <exception cref="CheckpointException">No such tensor, another number of elements, or the file cannot be read.</exception>
    public void ReadFloat(string name, Span<float> destination)
    {
        TensorInfo tensor = Find(name);
        if (destination.Length != tensor.ElementCount)
        {
            throw new CheckpointException(
                $"{Name}: tensor {tensor} has {tensor.ElementCount} elements, expected {destination.Length}");
        }
        using TensorReader reader = new(Name, tensor);
        reader.Read(destination);
    }

    /// <summary>Reads a tensor as a new array of float; see <see cref="TensorReader.Read(Span{float})"/>.</summary>
    /// <param name="name">The key.</param>
    /// <exception cref="CheckpointException">No such tensor, too many elements for an array, or the file cannot be read.</exception>
    public float[] ReadFloat(string name) => ReadAll<float>(name, static (reader, values) => reader.Read(values));

    /// <summary>Reads a tensor as a new array of double. Only integers above 2^53 round.</summary>
    /// <param name="name">The key.</param>
    /// <exception cref="CheckpointException">No such tensor, too many elements for an array, or the file cannot be read.</exception>
    public double[] ReadDouble(string name) => ReadAll<double>(name, static (reader, values) => reader.Read(values));

    /// <summary>Reads a tensor of integers or truth values as a new array of long.</summary>
    /// <param name="name">The key.</param>
    /// <exception cref="CheckpointException">
    /// No such tensor, a floating-point dtype, a U64 above 2^63-1, too many elements for an array, or the file cannot be read.
    /// </exception>
    public long[] ReadInt64(string name) => ReadAll<long>(name, static (reader, values) => reader.Read(values));

    /// <summary>Closes the file.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Closes what the container keeps open.</summary>
    /// <param name="disposing">Always true: nothing here needs a finalizer.</param>
    protected abstract void Dispose(bool disposing);

    private T[] ReadAll<T>(string name, Action<TensorReader, T[]> read)
    {
        TensorInfo tensor = Find(name);
        if (tensor.ElementCount > Array.MaxLength)
            throw new CheckpointException($"{Name}: tensor {tensor} has more than {Array.MaxLength} elements, too many for one array");
        using TensorReader reader = new(Name, tensor);
        T[] values = new T[tensor.ElementCount];
        read(reader, values);
        return values;
    }
}
