using System.Text.Json;
using System.Text.Json.Serialization;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>Metadata as a JSON object of strings, in a tensor of bytes.</summary>
internal static class JsonText
{
    private const int Longest = 1 << 24;

    /// <summary>The strings; null where the bytes are something else.</summary>
    public static IReadOnlyDictionary<string, string>? ReadStrings(TensorInfo tensor)
    {
        if (tensor.ByteLength > Longest)
            return null;
        byte[] bytes = new byte[tensor.ByteLength];
        using (TensorReader reader = new(tensor.Name, tensor))
            reader.ReadBytes(bytes);
        try
        {
            return JsonSerializer.Deserialize(bytes, StringsJson.Default.DictionaryStringString);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public static TensorEntry Entry(string name, IEnumerable<KeyValuePair<string, string>> texts)
    {
        byte[] bytes = JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, string>(texts), StringsJson.Default.DictionaryStringString);
        return TensorEntry.Of(name, [bytes.Length], bytes);
    }
}

/// <summary>The code that reads and writes it.</summary>
[JsonSerializable(typeof(Dictionary<string, string>))]
internal sealed partial class StringsJson : JsonSerializerContext;
