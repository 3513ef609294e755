namespace NativeDiffusion.Runtime.Checkpoints;

// What a pickle is read into, besides null, bool, long, BigInteger, double, string, and object?[] for a tuple. Nothing here can act.

/// <summary>The name of a Python class or function; it stands for itself and is never looked up.</summary>
internal sealed record PickleGlobal(string Module, string Name)
{
    public string FullName { get; } = $"{Module}.{Name}";
}

/// <summary>Bytes, or a text too long to be a name, left where they are.</summary>
internal sealed record PickleBytes(long Position, long Length);

/// <summary>A list or set.</summary>
internal sealed class PickleList
{
    public List<object?> Items { get; } = [];
}

/// <summary>A dictionary in the order of writing.</summary>
internal sealed class PickleDict
{
    public List<(object? Key, object? Value)> Items { get; } = [];

    public object? Find(string key)
    {
        foreach ((object? name, object? value) in Items)
            if (name is string text && text == key)
                return value;
        return null;
    }
}

/// <summary>What Python would have made by calling something: the callable's name, the arguments, and what was put into the result.</summary>
internal sealed class PickleRecord(object? callable, object? arguments)
{
    /// <summary>Module and name of the class or function; empty if it is something else.</summary>
    public string Callable { get; } = (callable as PickleGlobal)?.FullName ?? "";

    public object?[] Arguments { get; } = arguments as object?[] ?? [];

    public object? State { get; set; }

    public PickleDict? Entries { get; set; }

    public PickleList? Elements { get; set; }
}

/// <summary>A reference to something outside the pickle.</summary>
internal sealed record PicklePersistentId(object? Id);
