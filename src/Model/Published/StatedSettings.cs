using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Published;

/// <summary>A value, and who says it.</summary>
internal sealed record Stated<T>(T Value, string Place, bool ByUser);

/// <summary>
/// What is said of a network beside its tensors, under the argument names of the published code: by the file (constructor arguments, the settings
/// of a training script) and by the user. Two that contradict each other, or one that contradicts the tensors, are an error that names both;
/// what nobody says is assumed, and listed.
/// </summary>
internal sealed class StatedSettings
{
    private const string Arguments = "init_kwargs", Declared = "declared";
    private const int Deepest = 4;

    // Where those who write checkpoints put the settings; EDM's arguments have the scope of their network ("ema.") in front.
    private static readonly HashSet<string> Groups =
    [
        Arguments, Declared, "config", "args", "model_and_diffusion", "model_config", "diffusion_config", "model_args", "diffusion", "settings", "hparams", "hyper_parameters",
    ];

    private readonly CheckpointFile _file;
    private readonly string _prefix;
    private readonly List<(string Name, string Place, JsonElement Value, bool ByUser)> _entries = [];
    private readonly HashSet<string> _asked = [];
    private readonly List<Assumption> _assumptions = [];
    private readonly List<string> _remarks = [];
    private readonly Lazy<DiffusersFolder?> _diffusers;

    public StatedSettings(CheckpointFile file, string prefix, PublishedSettings? user)
    {
        (_file, _prefix, _diffusers) = (file, prefix, new(() => DiffusersFolder.Beside(file)));
        string? lone = LoneScope(file.Metadata.Keys, prefix);
        foreach (var (key, text) in file.Metadata.OrderBy(m => m.Key, StringComparer.Ordinal))
        {
            int end = key.LastIndexOf('.') + 1;
            string scope = key[..end], name = key[end..];
            if (!prefix.StartsWith(scope, StringComparison.Ordinal) && scope != lone) continue;
            if (PythonJson.Parse(text) is not { } value) Add(name, key, JsonSerializer.SerializeToElement(text, ModelJson.Default.String), false);
            else if (value.ValueKind == JsonValueKind.Array) Add(name, key, value, false);
            else if (Groups.Contains(name)) AddGroup(key, value, false, 0);
            HasArguments |= name == Arguments;
        }
        if (user is not null) AddGroup("", JsonSerializer.SerializeToElement(user, ModelJson.Default.PublishedSettings), true, 0);
    }

    /// <summary>Whether the file has EDM's constructor arguments, so that one which is absent has its default.</summary>
    public bool HasArguments { get; }

    /// <summary>What nobody says.</summary>
    public IReadOnlyList<Assumption> Assumptions => _assumptions;

    /// <summary>What is said and not followed.</summary>
    public IReadOnlyList<string> Remarks => _remarks;

    /// <summary>The file of the tensors.</summary>
    public CheckpointFile File => _file;

    /// <summary>What stands beside the file as diffusers lays it out; null for nothing.</summary>
    /// <exception cref="CheckpointException">What stands there is damaged.</exception>
    public DiffusersFolder? Diffusers => _diffusers.Value;

    /// <summary>Metadata with settings that the user gives, for a new file that says them itself.</summary>
    public static Dictionary<string, string> Declare(IReadOnlyDictionary<string, string> metadata, PublishedSettings settings)
    {
        var all = metadata.TryGetValue(Declared, out string? text) && PythonJson.Parse(text) is { ValueKind: JsonValueKind.Object } before ? JsonObject.Create(before)! : [];
        foreach (var property in JsonSerializer.SerializeToElement(settings, ModelJson.Default.PublishedSettings).EnumerateObject()) all[property.Name] = JsonNode.Parse(property.Value.GetRawText());
        return new Dictionary<string, string>(metadata) { [Declared] = all.ToJsonString() };
    }

    /// <summary>Adds what another file says under the name of another library.</summary>
    public void Say(string name, string place, string value) => Add(name, place, JsonSerializer.SerializeToElement(value, ModelJson.Default.String), false);

    /// <summary>Notes what is said and not followed.</summary>
    public void Remark(string remark) => _remarks.Add(remark);

    public Stated<int>? Integer(params ReadOnlySpan<string> names) => Find(names, v =>
        Real(v) is { } number && number == Math.Floor(number) && Math.Abs(number) <= int.MaxValue ? (true, (int)number) : default);

    public Stated<double>? Number(params ReadOnlySpan<string> names) => Find(names, v => Real(v) is { } number ? (true, number) : default);

    public Stated<bool>? Truth(params ReadOnlySpan<string> names) => Find(names, v => Bool(v) is { } truth ? (true, truth) : default);

    public Stated<string>? Text(params ReadOnlySpan<string> names) => Find(names, v => v.ValueKind == JsonValueKind.String ? (true, v.GetString()!) : default);

    /// <summary>Numbers: a list, or a text of numbers with commas between them.</summary>
    public Stated<ImmutableArray<double>>? List(params ReadOnlySpan<string> names) => Find(names, v =>
    {
        var parts = v.ValueKind == JsonValueKind.Array ? v.EnumerateArray().Select(Real)
            : v.ValueKind == JsonValueKind.String ? v.GetString()!.Split(',').Select(Real) : [Real(v)];
        double?[] numbers = [.. parts];
        return numbers.All(n => n is not null) ? (true, ImmutableArray.CreateRange(numbers.Select(n => n!.Value))) : default;
    });

    /// <summary>Whether there is a null class: said as such, or by the probability with which training drops a label.</summary>
    public Stated<bool>? NullClass() => Find(["null_class", "class_dropout_prob", "label_dropout"], v =>
        Bool(v) is { } truth ? (true, truth) : Real(v) is { } probability ? (true, probability > 0) : default);

    /// <summary>Refuses what contradicts the tensors.</summary>
    /// <exception cref="CheckpointException">It does.</exception>
    public void Expect<T>(T shown, Stated<T>? stated)
    {
        if (stated is not null && Show(stated.Value!) != Show(shown!)) throw Contradiction(stated, $"its tensors are those of {Show(shown!)}");
    }

    /// <summary>An error that names a statement and what it contradicts.</summary>
    public CheckpointException Contradiction<T>(Stated<T> stated, string other) => Wrong($"{stated.Place} says {Show(stated.Value!)}, but {other}.");

    public CheckpointException Wrong(string what) => new($"{_file.Name}: {what}");

    /// <summary>What is stated, else an assumption, which is listed.</summary>
    /// <param name="stated">What is said.</param>
    /// <param name="setting">Name of the setting.</param>
    /// <param name="value">What to assume.</param>
    /// <param name="published">The published network that has these tensors and this value; null for a guess.</param>
    public T Or<T>(Stated<T>? stated, string setting, T value, string? published = null)
    {
        if (stated is not null) return stated.Value;
        _assumptions.Add(new Assumption(setting, Show(value!), published));
        return value;
    }

    /// <summary>Lists something that nobody says and that cannot be guessed either.</summary>
    public void Ask(string setting) => _assumptions.Add(new Assumption(setting, null, null));

    /// <summary>Values of the first of the network's tensors whose name ends so; null where there is none.</summary>
    public float[]? Tensor(string ending) =>
        _file.Tensors.FirstOrDefault(t => t.Name.StartsWith(_prefix, StringComparison.Ordinal) && t.Name.EndsWith(ending, StringComparison.Ordinal) && t.ElementCount <= 64) is { } tensor
            ? _file.ReadFloat(tensor.Name)
            : null;

    /// <summary>Refuses what the user says and a network of this kind has not.</summary>
    /// <exception cref="CheckpointException">There is such a setting.</exception>
    public void RequireUsed(string title)
    {
        foreach (var entry in _entries)
            if (entry.ByUser && !_asked.Contains(entry.Name))
                throw Wrong($"{entry.Place} does not apply to a {title}.");
    }

    // Of a network that was taken out of its file, the arguments still have their old scope.
    private static string? LoneScope(IEnumerable<string> keys, string prefix)
    {
        string[] scopes = [.. keys.Where(k => k.EndsWith("." + Arguments, StringComparison.Ordinal)).Select(k => k[..^Arguments.Length])];
        if (scopes.Any(scope => prefix.StartsWith(scope, StringComparison.Ordinal))) return null;
        return scopes.FirstOrDefault(scope => scope.Contains("ema", StringComparison.Ordinal)) ?? (scopes.Length == 1 ? scopes[0] : null);
    }

    private void AddGroup(string place, JsonElement group, bool byUser, int depth)
    {
        if (depth == Deepest) return;
        foreach (var property in group.EnumerateObject())
        {
            string inner = byUser ? $"{property.Name} as given" : $"{place}.{property.Name}";
            if (property.Value.ValueKind == JsonValueKind.Object) AddGroup(inner, property.Value, byUser, depth + 1);
            else Add(property.Name, inner, property.Value, byUser);
        }
    }

    private void Add(string name, string place, JsonElement value, bool byUser)
    {
        bool silent = value.ValueKind == JsonValueKind.Null || (value.ValueKind == JsonValueKind.String && value.GetString()!.Trim() is "" or "None" or "null");
        if (!silent) _entries.Add((name, place, value, byUser));
    }

    // A value of another type than that of the published argument says something else, and is passed over.
    private Stated<T>? Find<T>(ReadOnlySpan<string> names, Func<JsonElement, (bool Ok, T Value)> read)
    {
        Stated<T>? first = null;
        foreach (string name in names) _asked.Add(name);
        foreach (var entry in _entries)
        {
            if (!names.Contains(entry.Name)) continue;
            var (ok, value) = read(entry.Value);
            if (!ok) continue;
            if (first is not null && Show(first.Value!) != Show(value!)) throw Contradiction(first, $"{entry.Place} says {Show(value!)}");
            first ??= new Stated<T>(value, entry.Place, entry.ByUser);
        }
        return first;
    }

    private static double? Real(JsonElement value) => value.ValueKind == JsonValueKind.Number ? value.GetDouble() : value.ValueKind == JsonValueKind.String ? Real(value.GetString()!) : null;

    private static double? Real(string text) => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && !double.IsNaN(number) ? number : null;

    private static bool? Bool(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.String => value.GetString()!.ToLowerInvariant() switch { "true" or "yes" => true, "false" or "no" => false, _ => null },
        _ => null,
    };

    private static string Show(object value) => value switch
    {
        ImmutableArray<double> list => "[" + string.Join(", ", list.Select(v => v.ToString(CultureInfo.InvariantCulture))) + "]",
        bool truth => truth ? "true" : "false",
        string text => CheckpointException.Quote(text),
        Enum name => JsonNamingPolicy.KebabCaseLower.ConvertName(name.ToString()),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };
}
