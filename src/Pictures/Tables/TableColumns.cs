using System.Text.Json;
using Parquet.Schema;

namespace NativeDiffusion.Pictures;

/// <summary>Which columns of a table are pictures and labels, and what the labels are called.</summary>
/// <param name="Image">Path of the column of bytes.</param>
/// <param name="Label">The column of labels; null for pictures without classes.</param>
/// <param name="ClassNames">One name for each label.</param>
/// <param name="Named">Whether the file itself names them; else they are what its labels are.</param>
internal sealed record TableColumns(string Image, string? Label, IReadOnlyList<string> ClassNames, bool Named)
{
    private const string MetadataKey = "huggingface";

    /// <summary>Finds the columns by what was asked for, the metadata, and names.</summary>
    public static TableColumns Find(ParquetTable table, string? image, string? label, string[] imageNames, string[] labelNames)
    {
        var features = Features(table);
        string[] tops = [.. table.Columns.Select(Top).Distinct()];
        foreach (string? asked in new[] { image, label })
            if (asked is not null && !tops.Contains(asked)) throw new InvalidDataException($"'{table.Path}' has no column '{asked}'; it has: {string.Join(", ", tops)}.");
        string[] pictures = [.. table.Columns.Where(IsBytes).Select(Top).Distinct()];
        string? chosen = image ?? features.FirstOrDefault(f => f.Type == "Image" && pictures.Contains(f.Name)).Name ?? imageNames.FirstOrDefault(pictures.Contains) ?? (pictures.Length == 1 ? pictures[0] : null);
        if (chosen is null || !pictures.Contains(chosen))
            throw new InvalidDataException(
                $"'{table.Path}': {(image is null ? "none of its columns is known to be one of pictures" : $"the column '{image}' holds no bytes")}; it has: {string.Join(", ", tops)}"
                + (pictures.Length > 1 ? $", of which {string.Join(", ", pictures)} hold bytes; say which." : "."));
        string bytes = table.Columns.First(field => Top(field) == chosen && IsBytes(field)).Path.ToString();
        string? labels = label ?? features.FirstOrDefault(f => f.Type == "ClassLabel" && tops.Contains(f.Name)).Name ?? labelNames.FirstOrDefault(tops.Contains);
        if (labels is null) return new TableColumns(bytes, null, [], false);
        string[]? named = features.FirstOrDefault(f => f.Name == labels).Names;
        return new TableColumns(bytes, labels, named ?? NamesIn(table, labels), named is not null);
    }

    /// <summary>The labels of all rows.</summary>
    public int[] Read(ParquetTable table, string column)
    {
        var labels = Enumerable.Range(0, table.Groups);
        if (table.Field(column).ClrType != typeof(ReadOnlyMemory<char>)) return [.. labels.SelectMany(group => table.ReadNumbers(group, column))];
        var numbers = ClassNames.Index().ToDictionary(c => c.Item, c => c.Index);
        return [.. labels.SelectMany(group => table.ReadTexts(group, column)).Select(text => text is null ? -1
            : numbers.TryGetValue(text, out int number) ? number : throw new InvalidDataException($"'{table.Path}': the label '{text}' is none of its classes."))];
    }

    /// <summary>The columns of two files of one data set: classes that no file names are those of both.</summary>
    /// <exception cref="InvalidDataException">They are of two data sets.</exception>
    public TableColumns With(TableColumns other, string first, string path)
    {
        if (Image != other.Image || Label != other.Label || Named != other.Named || (Named && !ClassNames.SequenceEqual(other.ClassNames)))
            throw new InvalidDataException($"'{path}' has other columns or classes ({other}) than '{first}' ({this}); files of one data set agree.");
        if (Named) return this;
        bool numbers = ClassNames.Concat(other.ClassNames).All(name => int.TryParse(name, out _));
        return this with { ClassNames = numbers ? ClassNames.Count >= other.ClassNames.Count ? ClassNames : other.ClassNames : [.. ClassNames.Union(other.ClassNames).Order(StringComparer.Ordinal)] };
    }

    public override string ToString() => $"{Image}, {Label ?? "no label"}, {ClassNames.Count} classes";

    private static string[] NamesIn(ParquetTable table, string column)
    {
        if (table.Field(column).ClrType == typeof(ReadOnlyMemory<char>))
            return [.. Enumerable.Range(0, table.Groups).SelectMany(group => table.ReadTexts(group, column)).OfType<string>().Distinct().Order(StringComparer.Ordinal)];
        int most = Enumerable.Range(0, table.Groups).SelectMany(group => table.ReadNumbers(group, column)).Append(-1).Max();
        return [.. Enumerable.Range(0, most + 1).Select(i => $"{i}")];
    }

    private static List<(string Name, string Type, string[]? Names)> Features(ParquetTable table)
    {
        if (!table.Metadata.TryGetValue(MetadataKey, out string? text)) return [];
        try
        {
            using var json = JsonDocument.Parse(text);
            return [.. json.RootElement.GetProperty("info").GetProperty("features").EnumerateObject()
                .Select(f => (f.Name, f.Value.TryGetProperty("_type", out var type) && type.ValueKind == JsonValueKind.String ? type.GetString()! : "", NamesOf(f.Value)))];
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            // Without them, columns are told by their names.
            return [];
        }
    }

    private static string[]? NamesOf(JsonElement feature) =>
        feature.TryGetProperty("names", out var names) && names.ValueKind == JsonValueKind.Array ? [.. names.EnumerateArray().Select(name => name.ToString())] : null;

    private static string Top(DataField field) => field.Path.FirstPart ?? field.Name;

    private static bool IsBytes(DataField field) => field.ClrType == typeof(ReadOnlyMemory<byte>) && (field.Path.Length == 1 || field.Name == "bytes");
}
