using System.Text.Json;
using System.Text.Unicode;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>The JSON header of a safetensors file, checked against the size of the data behind it.</summary>
internal sealed class SafetensorsHeader
{
    public const int LongestHeader = 100_000_000;
    public const string MetadataKey = "__metadata__";
    public const int HighestRank = 32;

    private readonly string _file;
    private readonly TensorStorage _data;
    private readonly HashSet<string> _names = [];
    private readonly List<TensorInfo> _tensors = [];
    private readonly List<(string Name, long Begin, long ByteLength)> _extents = [];
    private Dictionary<string, string>? _metadata;

    private SafetensorsHeader(string file, TensorStorage data) => (_file, _data) = (file, data);

    public IReadOnlyDictionary<string, string> Metadata => _metadata ??= [];
    public IReadOnlyList<TensorInfo> Tensors => _tensors;

    /// <summary>Parses and checks everything that can be checked without the data.</summary>
    /// <param name="file">Name for messages.</param>
    /// <param name="json">The header, which may be padded with spaces at its end.</param>
    /// <param name="data">The bytes after the header.</param>
    public static SafetensorsHeader Parse(string file, ReadOnlySpan<byte> json, TensorStorage data)
    {
        SafetensorsHeader header = new(file, data);
        if (json.IsEmpty || json[0] != (byte)'{')
            throw header.Error("the header does not begin with '{', so this is not a safetensors file");
        if (!Utf8.IsValid(json))
            throw header.Error("the header is not valid UTF-8");
        try
        {
            header.ParseTop(json);
        }
        catch (JsonException error)
        {
            throw new CheckpointException($"{file}: the header is not valid JSON: {error.Message}", error);
        }
        catch (InvalidOperationException error)
        {
            // How the JSON reader reports an escaped half of a surrogate pair.
            throw new CheckpointException($"{file}: the header has a string that is not valid text: {error.Message}", error);
        }
        header.CheckLayout(data.Length);
        header.TakeSums(json);
        return header;
    }

    // What is left of the metadata is what was given when the file was written.
    private void TakeSums(ReadOnlySpan<byte> json)
    {
        if (_metadata?.Remove(SafetensorsSums.Key, out string? text) != true)
            return;
        uint[] sums = SafetensorsSums.Read(_file, json, text!, _tensors.Count);
        for (int i = 0; i < sums.Length; i++)
            _tensors[i] = _tensors[i].WithSum(sums[i]);
    }

    private void ParseTop(ReadOnlySpan<byte> json)
    {
        Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = 8 });
        reader.Read();
        while (NextName(ref reader) is { } name)
        {
            if (name == MetadataKey)
            {
                if (_metadata is not null)
                    throw Error($"the key '{MetadataKey}' appears twice");
                _metadata = ParseMetadata(ref reader);
                continue;
            }
            TensorInfo? tensor = ParseTensor(ref reader, name);
            if (!_names.Add(name))
                throw Error($"the key {CheckpointException.Quote(name)} appears twice");
            if (tensor is not null)
                _tensors.Add(tensor);
        }
        reader.Read(); // throws if anything but white space follows
    }

    private Dictionary<string, string> ParseMetadata(ref Utf8JsonReader reader)
    {
        if (!reader.Read())
            throw Error($"'{MetadataKey}' is nothing, expected an object of strings");
        if (reader.TokenType == JsonTokenType.Null)
            return [];
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Error($"'{MetadataKey}' is {Kind(reader)}, expected an object of strings");
        Dictionary<string, string> metadata = [];
        while (NextName(ref reader) is { } name)
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.String)
                throw Error($"'{MetadataKey}' holds {CheckpointException.Quote(name)} which is {Kind(reader)}, expected a string");
            if (!metadata.TryAdd(name, reader.GetString()!))
                throw Error($"'{MetadataKey}' holds the key {CheckpointException.Quote(name)} twice");
        }
        return metadata;
    }

    private TensorInfo? ParseTensor(ref Utf8JsonReader reader, string name)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            throw TensorError(name, $"is {Kind(reader)}, expected an object with dtype, shape and data_offsets");
        string? dtype = null;
        long[]? shape = null;
        long[]? offsets = null;
        while (NextName(ref reader) is { } field)
        {
            bool again = false;
            switch (field)
            {
                case "dtype":
                    again = dtype is not null;
                    dtype = ParseDType(ref reader, name);
                    break;
                case "shape":
                    again = shape is not null;
                    shape = ParseIntegers(ref reader, name, field, HighestRank);
                    break;
                case "data_offsets":
                    again = offsets is not null;
                    offsets = ParseIntegers(ref reader, name, field, 2);
                    break;
                default:
                    reader.Skip();
                    break;
            }
            if (again)
                throw TensorError(name, $"has the field '{field}' twice");
        }
        string? missing = dtype is null ? "dtype" : shape is null ? "shape" : offsets is null ? "data_offsets" : null;
        if (missing is not null)
            throw TensorError(name, $"has no field '{missing}'");
        if (offsets!.Length != 2)
            throw TensorError(name, $"has {offsets.Length} data_offsets, expected 2");
        return CheckTensor(name, dtype!, shape!, offsets[0], offsets[1]);
    }

    // Null for a tensor of a type that is not read, whose place in the file is checked all the same.
    private TensorInfo? CheckTensor(string name, string text, long[] shape, long begin, long end)
    {
        DType? dtype = Enum.GetValues<DType>().Cast<DType?>().FirstOrDefault(type => TextOf(type!.Value) == text);
        long bits = dtype is { } known ? 8L * ElementConversion.SizeOf(known) : BitsOfOthers(text)
            ?? throw TensorError(name, $"has dtype {CheckpointException.Quote(text)}, expected one of " + string.Join(", ", Enum.GetValues<DType>().Select(TextOf)));
        if (begin > end)
            throw TensorError(name, $"begins at byte {begin}, after its end at {end}");
        long needed;
        try
        {
            Int128 total = bits;
            foreach (long extent in shape)
                total = checked(total * extent);
            if (total % 8 != 0)
                throw TensorError(name, $"has shape {TensorInfo.ShapeText(shape)}, which is no whole number of bytes of {text}");
            needed = checked((long)(total / 8));
        }
        catch (OverflowException)
        {
            throw TensorError(name, $"has shape {TensorInfo.ShapeText(shape)}, more bytes of {text} than 64 bits can count");
        }
        if (end - begin != needed)
            throw TensorError(name, $"says {end - begin} bytes for {text} {TensorInfo.ShapeText(shape)} which needs {needed}");
        _extents.Add((name, begin, needed));
        return dtype is null ? null : new TensorInfo(name, dtype.Value, shape, needed, _data, begin);
    }

    private void CheckLayout(long dataLength)
    {
        long position = 0;
        string previous = "";
        foreach (var tensor in _extents.OrderBy(t => t.Begin).ThenBy(t => t.ByteLength))
        {
            long end = tensor.Begin + tensor.ByteLength;
            if (end > dataLength)
            {
                throw TensorError(tensor.Name,
                    $"ends at byte {end} of the data, but the file holds {dataLength} bytes of data: it is cut short or damaged");
            }
            if (tensor.Begin < position)
            {
                throw TensorError(tensor.Name,
                    $"begins at byte {tensor.Begin} and overlaps {CheckpointException.Quote(previous)} which ends at {position}");
            }
            if (tensor.Begin > position)
                throw TensorError(tensor.Name, $"begins at byte {tensor.Begin} and leaves a gap after byte {position}");
            position = end;
            previous = tensor.Name;
        }
        if (position != dataLength)
            throw Error($"the tensors cover {position} bytes, but the file holds {dataLength} bytes of data");
    }

    private string ParseDType(ref Utf8JsonReader reader, string name)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.String)
            throw TensorError(name, $"has a dtype that is {Kind(reader)}, expected a string");
        return reader.GetString()!;
    }

    // The format's other types, which are left out; those of fewer than 8 bits are packed.
    private static long? BitsOfOthers(string dtype) => dtype switch
    {
        "F8_E4M3" or "F8_E5M2" or "F8_E8M0" or "F8_E4M3FNUZ" or "F8_E5M2FNUZ" => 8,
        "F6_E2M3" or "F6_E3M2" => 6,
        "F4" => 4,
        "C64" => 64,
        _ => null,
    };

    private long[] ParseIntegers(ref Utf8JsonReader reader, string name, string field, int most)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartArray)
            throw TensorError(name, $"has a field '{field}' that is {Kind(reader)}, expected an array");
        List<long> values = [];
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out long value) || value < 0)
                throw TensorError(name, $"has a field '{field}' with {Kind(reader)}, expected integers from 0 to 2^63-1");
            if (values.Count == most)
                throw TensorError(name, $"has more than {most} numbers in its field '{field}'");
            values.Add(value);
        }
        return [.. values];
    }

    // The name of the next property of the object being read, or null at its end.
    private static string? NextName(ref Utf8JsonReader reader) =>
        reader.Read() && reader.TokenType == JsonTokenType.PropertyName ? reader.GetString() : null;

    private static string Kind(in Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "an array",
        JsonTokenType.String => "a string",
        JsonTokenType.Number => "the number " + CheckpointException.Quote(System.Text.Encoding.UTF8.GetString(reader.ValueSpan)),
        JsonTokenType.True or JsonTokenType.False => "a truth value",
        JsonTokenType.Null => "null",
        _ => "nothing",
    };

    public static string TextOf(DType dtype) => dtype == DType.Bool ? "BOOL" : dtype.ToString();

    private CheckpointException Error(string text) => new($"{_file}: {text}");

    private CheckpointException TensorError(string name, string text) => Error($"tensor {CheckpointException.Quote(name)} {text}");
}
