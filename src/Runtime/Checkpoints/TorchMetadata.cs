using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>
/// The plain values beside the tensors as text: numbers and texts of the outermost dictionary, its small dictionaries of such as JSON, and of a
/// pickled EDM network the class and the arguments that it was made with.
/// </summary>
internal static class TorchMetadata
{
    /// <summary>Attribute of the outermost ordered dictionary in which a converted checkpoint keeps its metadata.</summary>
    public const string Attribute = "metadata";

    private const int MostEntries = 1000;
    private const int LongestText = 1 << 14;
    private const int Deepest = 4;

    public static Dictionary<string, string> Read(object? root)
    {
        Dictionary<string, string> metadata = new(StringComparer.Ordinal);
        PickleDict? top = root as PickleDict ?? (root as PickleRecord)?.Entries;
        if ((root as PickleRecord)?.State is PickleDict attributes && attributes.Find(Attribute) is PickleDict kept)
            AddPlain(metadata, kept, "");
        if (top is not null)
        {
            AddPlain(metadata, top, "");
            foreach ((object? key, object? value) in top.Items.Take(MostEntries))
                if (key is string name)
                    AddObject(metadata, name, value);
        }
        else
        {
            AddObject(metadata, "", root);
        }
        return metadata;
    }

    private static void AddPlain(Dictionary<string, string> metadata, PickleDict dictionary, string prefix)
    {
        foreach ((object? key, object? value) in dictionary.Items.Take(MostEntries))
            if (key is string name && Text(value) is { Length: <= LongestText } text)
                metadata.TryAdd(prefix + name, text);
    }

    // Objects with a state, such as the arguments of a training script, and EDM networks.
    private static void AddObject(Dictionary<string, string> metadata, string name, object? value)
    {
        PickleDict? content = value as PickleDict;
        if (value is PickleRecord record)
        {
            content = record.Entries ?? TorchTree.StateOf(record);
            if (record.Callable == "torch_utils.persistence._reconstruct_persistent_obj" && record.Arguments is [PickleDict meta, ..])
            {
                string prefix = name.Length == 0 ? "" : name + ".";
                if (meta.Find("class_name") is string className)
                    metadata.TryAdd(prefix + "class_name", className);
                AddJson(metadata, prefix + "init_kwargs", content?.Find("_init_kwargs"));
                return;
            }
        }
        if (name.Length > 0)
            AddJson(metadata, name, content);
    }

    private static void AddJson(Dictionary<string, string> metadata, string name, object? value)
    {
        ArrayBufferWriter<byte> bytes = new();
        using Utf8JsonWriter json = new(bytes);
        if (value is null || !Write(json, value, 0, bytes))
            return;
        json.Flush();
        if (bytes.WrittenCount > 2)
            metadata.TryAdd(name, Encoding.UTF8.GetString(bytes.WrittenSpan));
    }

    // False where the value holds a tensor or keys that are no names, or too much; what else is not plain (a device, a function, a path object)
    // is left out of the object that has it.
    private static bool Write(Utf8JsonWriter json, object? value, int depth, ArrayBufferWriter<byte> bytes)
    {
        if (depth > Deepest || bytes.WrittenCount + json.BytesPending > LongestText)
            return false;
        switch (value)
        {
            case null: json.WriteNullValue(); return true;
            case bool truth: json.WriteBooleanValue(truth); return true;
            case long number: json.WriteNumberValue(number); return true;
            case double number when double.IsFinite(number): json.WriteNumberValue(number); return true;
            case double number: json.WriteStringValue(Text(number)); return true;
            case string text: json.WriteStringValue(text); return true;
            case PickleList list: return WriteList(json, list.Items, depth, bytes);
            case object?[] tuple: return WriteList(json, tuple, depth, bytes);
            case PickleRecord { Entries: { } entries }: return WriteObject(json, entries, depth, bytes);
            case PickleRecord record when TorchTree.StateOf(record) is { } state: return WriteObject(json, state, depth, bytes);
            case PickleDict dictionary: return WriteObject(json, dictionary, depth, bytes);
            default: return false;
        }
    }

    private static bool WriteList(Utf8JsonWriter json, IReadOnlyList<object?> items, int depth, ArrayBufferWriter<byte> bytes)
    {
        json.WriteStartArray();
        foreach (object? item in items)
            if (!Write(json, item, depth + 1, bytes))
                return false;
        json.WriteEndArray();
        return true;
    }

    private static bool WriteObject(Utf8JsonWriter json, PickleDict dictionary, int depth, ArrayBufferWriter<byte> bytes)
    {
        json.WriteStartObject();
        foreach ((object? key, object? value) in dictionary.Items)
        {
            if (key is not string name || value is PickleRecord { Callable: var callable } && callable.StartsWith("torch._utils._rebuild", StringComparison.Ordinal))
                return false;
            if (IsForeign(value))
                continue;
            json.WritePropertyName(name);
            if (!Write(json, value, depth + 1, bytes))
                return false;
        }
        json.WriteEndObject();
        return true;
    }

    private static bool IsForeign(object? value) => value switch
    {
        null or bool or long or double or string or PickleDict => false,
        PickleList list => list.Items.Any(IsForeign),
        object?[] tuple => tuple.Any(IsForeign),
        PickleRecord record => record.Entries is null && TorchTree.StateOf(record) is null,
        _ => true,
    };

    private static string? Text(object? value) => value switch
    {
        string text => text,
        bool truth => truth ? "true" : "false",
        long number => number.ToString(CultureInfo.InvariantCulture),
        double number => number.ToString("R", CultureInfo.InvariantCulture),
        _ => null,
    };
}
