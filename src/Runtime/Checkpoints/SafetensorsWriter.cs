using System.Buffers.Binary;
using System.Text.Json;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>Writes safetensors files. The same entries always give the same bytes.</summary>
public static class SafetensorsWriter
{
    /// <summary>
    /// Writes a file in one step (see <see cref="AtomicFile"/>), tensor after tensor, without holding more than one chunk in memory.
    /// Keys and data stand in the given order, without alignment between tensors; the header is padded with spaces to a multiple of 8.
    /// </summary>
    /// <param name="path">File to create or replace.</param>
    /// <param name="tensors">The tensors; names differ and are not <c>__metadata__</c>.</param>
    /// <param name="metadata">Free text for the header, in order; left out when null.</param>
    /// <param name="checksums">Whether the metadata get the sums of header and tensors too (<c>crc32c</c>), by which reading finds damage.</param>
    /// <exception cref="IOException">The file cannot be written; an old file of that name is unchanged.</exception>
    /// <exception cref="ArgumentException">Two tensors or two metadata keys have one name, or the header would pass 100 MB.</exception>
    /// <exception cref="InvalidOperationException">A tensor's delegate wrote another number of bytes than its shape needs.</exception>
    public static void Write(string path, IEnumerable<TensorEntry> tensors, IEnumerable<KeyValuePair<string, string>>? metadata = null, bool checksums = false)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        TensorEntry[] entries = [.. tensors];
        if (checksums)
            metadata = (metadata ?? []).Where(text => text.Key != SafetensorsSums.Key).Append(new(SafetensorsSums.Key, SafetensorsSums.Room(entries.Length)));
        byte[] header = Header(entries, metadata);
        AtomicFile.Write(path, stream => Write(stream, header, entries, checksums));
    }

    private static void Write(Stream stream, byte[] header, TensorEntry[] entries, bool checksums)
    {
        Span<byte> prefix = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, (ulong)header.Length);
        stream.Write(prefix);
        stream.Write(header);
        uint[] sums = [.. entries.Select(entry => entry.WriteChecked(stream))];
        if (!checksums)
            return;
        // Sums are known when the data are written, and their place in the header before.
        long end = stream.Position;
        SafetensorsSums.Fill(header, sums);
        stream.Position = prefix.Length;
        stream.Write(header);
        stream.Position = end;
    }

    private static byte[] Header(TensorEntry[] entries, IEnumerable<KeyValuePair<string, string>>? metadata)
    {
        using MemoryStream bytes = new();
        using (Utf8JsonWriter json = new(bytes))
        {
            json.WriteStartObject();
            if (metadata is not null)
                WriteMetadata(json, metadata);
            WriteTensors(json, entries);
            json.WriteEndObject();
        }
        while (bytes.Length % 8 != 0)
            bytes.WriteByte((byte)' ');
        if (bytes.Length > SafetensorsHeader.LongestHeader)
        {
            throw new ArgumentException($"The header would take {bytes.Length} bytes, above the format's limit of "
                + $"{SafetensorsHeader.LongestHeader}: shorten the metadata or the names.");
        }
        return bytes.ToArray();
    }

    private static void WriteMetadata(Utf8JsonWriter json, IEnumerable<KeyValuePair<string, string>> metadata)
    {
        HashSet<string> keys = [];
        json.WriteStartObject(SafetensorsHeader.MetadataKey);
        foreach ((string key, string value) in metadata)
        {
            if (!keys.Add(key))
                throw new ArgumentException($"The metadata key '{key}' is given twice.", nameof(metadata));
            json.WriteString(key, value);
        }
        json.WriteEndObject();
    }

    private static void WriteTensors(Utf8JsonWriter json, TensorEntry[] entries)
    {
        HashSet<string> names = [SafetensorsHeader.MetadataKey];
        long position = 0;
        foreach (TensorEntry entry in entries)
        {
            if (!names.Add(entry.Name))
                throw new ArgumentException($"The tensor name '{entry.Name}' is given twice or is reserved.");
            json.WriteStartObject(entry.Name);
            json.WriteString("dtype", SafetensorsHeader.TextOf(entry.DType));
            json.WriteStartArray("shape");
            foreach (long extent in entry.Shape)
                json.WriteNumberValue(extent);
            json.WriteEndArray();
            json.WriteStartArray("data_offsets");
            json.WriteNumberValue(position);
            json.WriteNumberValue(position += entry.ByteLength);
            json.WriteEndArray();
            json.WriteEndObject();
        }
    }
}
