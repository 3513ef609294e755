using System.CommandLine;
using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using NativeDiffusion.Runtime;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Cli;

/// <summary>
/// How pictures were made, as texts in their PNG files: <c>parameters</c> in the form of other tools, for people, and <c>nativediffusion</c> as JSON, with the options that
/// make the same picture again.
/// </summary>
internal sealed record SampleProvenance
{
    /// <summary>Keyword of the JSON.</summary>
    public const string Keyword = "nativediffusion";

    private const string ParametersKeyword = "parameters";

    public required string Model { get; init; }

    public required string? ModelHash { get; init; }

    public required ulong Seed { get; init; }

    public required string Guidance { get; init; }

    public required string Sampler { get; init; }

    public required string Spacing { get; init; }

    public required int Steps { get; init; }

    /// <summary>The options as they were given, without those that say where results go or how fast they come.</summary>
    public required IReadOnlyList<(string Name, IReadOnlyList<string> Values)> Options { get; init; }

    /// <summary>SHA-256 of a file; null for a folder.</summary>
    public static string? HashOf(string path)
    {
        if (Directory.Exists(path)) path = WeightsIn(path);
        if (!File.Exists(path)) return null;
        using var file = InputFile.Open(path);
        return Convert.ToHexStringLower(SHA256.HashData(file));
    }

    /// <summary>What makes the images of a run what they are, but for a seed that was drawn.</summary>
    public static string RunOf(string? modelHash, IReadOnlyList<(string Name, IReadOnlyList<string> Values)> options, bool seedIsGiven) =>
        new JsonObject(options.Where(o => seedIsGiven || o.Name != "--seed").OrderBy(o => o.Name, StringComparer.Ordinal).Select(o => KeyValuePair.Create<string, JsonNode?>(o.Name, JsonReport.List(o.Values))))
        {
            ["model"] = modelHash,
        }.ToJsonString();

    private static string WeightsIn(string folder)
    {
        using var weights = CheckpointFile.Open(folder);
        return weights.Name;
    }

    /// <summary>The texts of a grid of all pictures.</summary>
    public IReadOnlyList<PngText> TextsOf(SampleSelection selection, Image image) =>
        Texts([.. selection.Classes.Select(c => c.Name)], [.. selection.Strengths.Select(s => s.W)], null, Options, image);

    /// <summary>The texts of one picture; its options make it alone where that is possible.</summary>
    public IReadOnlyList<PngText> TextsOf(SampleSelection selection, int position, Image image)
    {
        int number = position % selection.Count, strength = position / selection.Count % selection.Strengths.Count, row = position / selection.Count / selection.Strengths.Count;
        var (name, label) = selection.Classes[row];
        double w = selection.Strengths[strength].W;
        var options = Options;
        if (!selection.IsInterpolated)
        {
            options = [.. Options.Where(o => o.Name is not ("--count" or "--first") && !(label >= 0 && o.Name == "--classes") && !(selection.Strengths.Count > 1 && o.Name is "--w" or "--scale"))];
            options = [.. options, ("--first", [$"{selection.First + number}"])];
            if (label >= 0) options = [.. options, ("--classes", [name.Contains(',') ? $"{label}" : name])];
            if (selection.Strengths.Count > 1) options = [.. options, ("--w", [w.ToString("R", CultureInfo.InvariantCulture)])];
        }
        return Texts([name], [w], selection.First + number, options, image);
    }

    /// <summary>Reads the JSON of a picture.</summary>
    /// <exception cref="InvalidDataException">The file is no PNG, or says nothing of the kind.</exception>
    public static JsonObject Read(string path)
    {
        var texts = PngText.Read(path);
        if (texts.FirstOrDefault(t => t.Keyword == Keyword) is not { } text)
            throw new InvalidDataException($"'{path}' does not say how it was made: it has no text '{Keyword}'{(texts.Count > 0 ? $" but {string.Join(", ", texts.Select(t => $"'{t.Keyword}'"))}" : "")}. Pictures of 'sample' do, unless another program saved them anew.");
        try
        {
            return JsonNode.Parse(text.Text) as JsonObject ?? throw new JsonException("it is no object");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"'{path}': its text '{Keyword}' is damaged: {e.Message}", e);
        }
    }

    /// <summary>The command line that makes a picture again, with what was given in place of what the picture says.</summary>
    /// <param name="parsed">The command line, with <c>--like</c>.</param>
    /// <param name="path">The picture.</param>
    /// <param name="replacing">Options of which one replaces the others.</param>
    public static IReadOnlyList<string> Arguments(ParseResult parsed, string path, IReadOnlyList<IReadOnlyList<string>> replacing)
    {
        var made = Read(path);
        List<string> arguments = [parsed.CommandResult.Command.Name];
        string[] given = [.. parsed.CommandResult.Command.Options.Where(parsed.IsGiven).Select(o => o.Name)];
        try
        {
            foreach (var (name, values) in made["options"] as JsonObject ?? [])
                if (!given.Any(g => g == name || replacing.Any(group => group.Contains(g) && group.Contains(name))))
                    arguments.AddRange([name, .. values!.AsArray().Select(v => v!.GetValue<string>())]);
        }
        catch (Exception e) when (e is InvalidOperationException or NullReferenceException)
        {
            throw new InvalidDataException($"'{path}': its text '{Keyword}' is damaged: the options are no lists of texts.", e);
        }
        foreach (var option in parsed.CommandResult.Command.Options.Where(o => parsed.IsGiven(o) && o.Name != "--like"))
            arguments.AddRange([option.Name, .. parsed.GetResult(option)!.Tokens.Select(t => t.Value)]);
        return arguments;
    }

    private IReadOnlyList<PngText> Texts(string[] classes, double[] strengths, int? index, IReadOnlyList<(string Name, IReadOnlyList<string> Values)> options, Image image)
    {
        string version = typeof(SampleProvenance).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "";
        var json = new JsonObject
        {
            ["version"] = version, ["model"] = Model, ["model_hash"] = ModelHash, ["seed"] = Seed, ["classes"] = new JsonArray([.. classes.Select(c => JsonValue.Create(c))]),
            ["strengths"] = new JsonArray([.. strengths.Select(w => JsonValue.Create(w))]), ["guidance"] = Guidance, ["sampler"] = Sampler, ["spacing"] = Spacing, ["steps"] = Steps,
        };
        if (index is { } number) json["index"] = number;
        json["options"] = new JsonObject(options.OrderBy(o => o.Name, StringComparer.Ordinal).Select(o => KeyValuePair.Create<string, JsonNode?>(o.Name, new JsonArray([.. o.Values.Select(v => JsonValue.Create(v))]))));
        string scales = string.Join(", ", strengths.Select(w => (1 + w).ToString(CultureInfo.InvariantCulture)));
        string parameters = string.Create(
            CultureInfo.InvariantCulture,
            $"{string.Join(", ", classes)}\nSteps: {Steps}, Sampler: {Sampler}, Schedule type: {Spacing}, CFG scale: {scales}, Seed: {Seed}, Size: {image.Width}x{image.Height}, ")
            + $"{(ModelHash is null ? "" : $"Model hash: {ModelHash[..10]}, ")}Model: {Path.GetFileNameWithoutExtension(Model)}, Version: nativediffusion {version}";
        return [new PngText(ParametersKeyword, parameters), new PngText(Keyword, json.ToJsonString(new JsonSerializerOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))];
    }
}
