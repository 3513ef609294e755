using System.Globalization;
using System.Text.Json;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Published;

/// <summary>
/// A settings file of diffusers: arguments of the class that <c>_class_name</c> names. What is null or absent has that class's default; what is of another
/// type than the argument is an error.
/// </summary>
internal sealed class DiffusersConfig
{
    private const int Longest = 1 << 22;

    private readonly JsonElement _root;

    private DiffusersConfig(string path, JsonElement root, string className) => (Path, _root, ClassName) = (path, root, className);

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The class whose arguments these are.</summary>
    public string ClassName { get; }

    /// <summary>Reads a file; null where there is none, or one of another library.</summary>
    /// <param name="path">The file.</param>
    /// <param name="isTheirs">Whether it is diffusers' by its name and place; else what is no JSON is another's.</param>
    /// <exception cref="CheckpointException">It cannot be read, or is no JSON.</exception>
    public static DiffusersConfig? Read(string path, bool isTheirs = true)
    {
        var file = new FileInfo(path);
        if (!file.Exists || (!isTheirs && file.Length > Longest)) return null;
        if (file.Length > Longest) throw new CheckpointException($"{path}: {file.Length} bytes are too many for settings, which have at most {Longest}.");
        string text;
        try
        {
            text = InputFile.ReadAllText(path).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{path}: cannot be read: {e.Message}", e);
        }
        if (PythonJson.Parse(text) is not { ValueKind: JsonValueKind.Object } root)
            return !isTheirs ? null : throw new CheckpointException($"{path}: is not the JSON object that says what the weights beside it are. Get the file again, or move it away to go by the weights alone.");
        return root.TryGetProperty("_class_name", out var name) && name.ValueKind == JsonValueKind.String ? new DiffusersConfig(path, root, name.GetString()!) : null;
    }

    /// <summary>Whether something other than null is said.</summary>
    public bool Says(string key) => _root.TryGetProperty(key, out var value) && value.ValueKind != JsonValueKind.Null;

    /// <summary>Where a value stands, in a few words.</summary>
    public string Place(string key) => $"{System.IO.Path.GetFileName(Path)}.{key}";

    public int? Integer(string key, int least, int most) => Number(key) is not { } number ? null
        : number == Math.Floor(number) && number >= least && number <= most ? (int)number
        : throw Wrong(key, string.Create(CultureInfo.InvariantCulture, $"a whole number from {least} to {most}"));

    public double? Number(string key) => Says(key)
        ? _root.GetProperty(key) is { ValueKind: JsonValueKind.Number } value && double.IsFinite(value.GetDouble()) ? value.GetDouble() : throw Wrong(key, "a number")
        : null;

    public bool? Truth(string key) => Says(key)
        ? _root.GetProperty(key).ValueKind switch { JsonValueKind.True => true, JsonValueKind.False => false, _ => throw Wrong(key, "true or false") }
        : null;

    public string? Text(string key) => Says(key) ? _root.GetProperty(key) is { ValueKind: JsonValueKind.String } value ? value.GetString() : throw Wrong(key, "a text") : null;

    public string[]? Texts(string key) => Says(key)
        ? _root.GetProperty(key) is { ValueKind: JsonValueKind.Array } value && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String)
            ? [.. value.EnumerateArray().Select(item => item.GetString()!)] : throw Wrong(key, "a list of texts")
        : null;

    /// <summary>Names by number, each the first of those that commas separate, with its number where two are alike; null where not every number has one.</summary>
    public string[]? Names(string key, int count)
    {
        if (!_root.TryGetProperty(key, out var map) || map.ValueKind != JsonValueKind.Object) return null;
        string[] names = [.. Enumerable.Range(0, count).Select(number =>
            map.TryGetProperty(number.ToString(CultureInfo.InvariantCulture), out var name) && name.ValueKind == JsonValueKind.String ? name.GetString()!.Split(',')[0].Trim() : "")];
        if (names.Contains("")) return null;
        var twice = names.GroupBy(name => name, StringComparer.OrdinalIgnoreCase).Where(g => g.Count() > 1).Select(g => g.Key).ToHashSet(StringComparer.OrdinalIgnoreCase);
        return [.. names.Select((name, number) => twice.Contains(name) ? string.Create(CultureInfo.InvariantCulture, $"{name} ({number})") : name)];
    }

    /// <summary>Whole numbers; one alone stands for a list of it.</summary>
    public int[]? Integers(string key)
    {
        if (!Says(key)) return null;
        var value = _root.GetProperty(key);
        JsonElement[] items = value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : [value];
        return [.. items.Select(item => item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out int number) ? number : throw Wrong(key, "a whole number, or a list of such"))];
    }

    /// <summary>Height and width, which are equal.</summary>
    public int? Size(string key) => Integers(key) switch
    {
        null => null,
        [var side] when side is >= 1 and <= 4096 => side,
        [var height, var width] when height == width && height is >= 1 and <= 4096 => height,
        [_, _] => throw Wrong(key, "one number from 1 to 4096, or twice the same: only square pictures are supported"),
        _ => throw Wrong(key, "a whole number from 1 to 4096"),
    };

    /// <summary>Refuses arguments that are not among those supported; the first of them is the class's default.</summary>
    /// <exception cref="CheckpointException">It is another.</exception>
    public void Support(string key, params ReadOnlySpan<string> supported)
    {
        string value = Text(key) ?? supported[0];
        if (!supported.Contains(value)) throw new CheckpointException($"{Path}: '{key}' is {CheckpointException.Quote(value)}, which is not supported; it has to be {string.Join(" or ", supported.ToArray())}.");
    }

    /// <summary>Refuses what contradicts the weights.</summary>
    /// <exception cref="CheckpointException">It does.</exception>
    public void Expect<T>(string key, T shown, T? said)
    {
        if (said is null) return;
        string Show(T value) => value is System.Collections.IEnumerable list and not string ? "[" + string.Join(", ", list.Cast<object>()) + "]" : Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
        if (Show(said) != Show(shown)) throw new CheckpointException($"{Path}: '{key}' is {Show(said)}, but the weights are those of {Show(shown)}: the two do not belong together.");
    }

    public CheckpointException Wrong(string key, string needed)
    {
        string text = _root.GetProperty(key).GetRawText();
        return new($"{Path}: '{key}' is {(text.Length > 60 ? text[..60] + "..." : text)}, and should be {needed}.");
    }
}
