using System.Text.Json;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>
/// A checkpoint in several files of one folder, with an index file: a JSON object whose <c>weight_map</c> gives for each tensor the file that
/// holds it (the convention of Hugging Face's libraries, for safetensors and PyTorch files).
/// </summary>
internal static class ShardedCheckpoint
{
    private const int LongestIndex = 100_000_000;
    private const int MostShards = 4096;

    /// <summary>Whether a file is an index: JSON by name and content.</summary>
    public static bool IsIndex(string path, ByteSource source)
    {
        Span<byte> first = stackalloc byte[1];
        if (!path.EndsWith(".json", StringComparison.OrdinalIgnoreCase) || source.Length == 0)
            return false;
        source.Read(0, first);
        return first[0] is (byte)'{' or (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t';
    }

    public static ContainerFile Open(string index)
    {
        Dictionary<string, string> files = ReadIndex(index, out Dictionary<string, string> metadata);
        string folder = Path.GetDirectoryName(Path.GetFullPath(index))!;
        Dictionary<string, CheckpointFile> shards = new(StringComparer.Ordinal);
        try
        {
            List<TensorInfo> tensors = [];
            foreach ((string name, string file) in files)
            {
                if (!shards.TryGetValue(file, out CheckpointFile? shard))
                {
                    if (shards.Count == MostShards)
                        throw new CheckpointException($"{index}: names more than {MostShards} files");
                    string path = Path.Combine(folder, file);
                    shards.Add(file, shard = CheckpointContainer.Open(ByteSource.OpenFile(path), path));
                    foreach ((string key, string value) in shard.Metadata)
                        metadata.TryAdd(key, value);
                }
                tensors.Add(shard.Find(name));
            }
            return new ContainerFile(index, "sharded " + shards.Values.FirstOrDefault()?.Container, tensors, metadata, [.. shards.Values]);
        }
        catch
        {
            foreach (CheckpointFile shard in shards.Values)
                shard.Dispose();
            throw;
        }
    }

    private static Dictionary<string, string> ReadIndex(string index, out Dictionary<string, string> metadata)
    {
        using ByteSource source = ByteSource.OpenFile(index);
        if (source.Length > LongestIndex)
            throw new CheckpointException($"{index}: an index of {source.Length} bytes is above the limit of {LongestIndex}");
        byte[] bytes = new byte[source.Length];
        try
        {
            source.Read(0, bytes);
            using JsonDocument json = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = 8 });
            metadata = new(StringComparer.Ordinal);
            if (json.RootElement.ValueKind != JsonValueKind.Object || !json.RootElement.TryGetProperty("weight_map", out JsonElement map) || map.ValueKind != JsonValueKind.Object)
                throw new CheckpointException($"{index}: has no 'weight_map'; it is not the index of a checkpoint");
            if (json.RootElement.TryGetProperty("metadata", out JsonElement texts) && texts.ValueKind == JsonValueKind.Object)
                foreach (JsonProperty text in texts.EnumerateObject().Where(t => t.Value.ValueKind == JsonValueKind.String))
                    metadata[text.Name] = text.Value.GetString()!;
            Dictionary<string, string> files = new(StringComparer.Ordinal);
            foreach (JsonProperty entry in map.EnumerateObject())
            {
                string? file = entry.Value.ValueKind == JsonValueKind.String ? entry.Value.GetString() : null;
                if (string.IsNullOrEmpty(file) || file is "." or ".." || file.AsSpan().ContainsAny('/', '\\', '\0') || Path.IsPathRooted(file))
                    throw new CheckpointException($"{index}: tensor {CheckpointException.Quote(entry.Name)} should be in {CheckpointException.Quote(entry.Value.ToString())}, which is not the name of a file in the same folder");
                if (!files.TryAdd(entry.Name, file))
                    throw new CheckpointException($"{index}: tensor {CheckpointException.Quote(entry.Name)} is listed twice");
            }
            return files;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or IOException)
        {
            throw new CheckpointException($"{index}: the index is not valid JSON: {error.Message}", error);
        }
    }
}
