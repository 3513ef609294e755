using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using NativeDiffusion.Cli.Bench;
using NativeDiffusion.Cli.Evaluating;
using NativeDiffusion.Cli.Training;
using NativeDiffusion.Experiments.Running;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Metrics;
using NativeDiffusion.Pictures;

namespace NativeDiffusion.Cli;

/// <summary>Writes what <c>--json</c> asks for: one object with keys in snake_case.</summary>
internal static class JsonReport
{
    private static readonly JsonSerializerOptions Options = new(ReportJson.Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static void Write(TextWriter output, JsonNode report) => output.WriteLine(Text(report));

    public static string Text(JsonNode report) => report.ToJsonString(Options);

    public static JsonArray List(IEnumerable<string> values) => [.. values.Select(v => (JsonNode?)v)];

    public static JsonArray List(IEnumerable<double> values) => [.. values.Select(v => (JsonNode?)v)];

    public static JsonArray List(IEnumerable<JsonObject> values) => [.. values.Select(v => (JsonNode?)v)];

    /// <summary>Of a type that <see cref="ReportJson"/> lists.</summary>
    public static JsonNode? Node<T>(T value) => JsonSerializer.SerializeToNode(
        value, ReportJson.Default.GetTypeInfo(typeof(T)) ?? throw new NotSupportedException($"{typeof(T)} is not a {nameof(JsonSerializableAttribute)} of {nameof(ReportJson)}."));
}

/// <summary>What reports and files of the tool hold beside texts and numbers, by generated code, so that the tool can be published trimmed or natively compiled.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals, WriteIndented = true,
    Converters = [typeof(Model.SnakeCaseConverter<PathInput>), typeof(Model.SnakeCaseConverter<PictureCrop>)])]
[JsonSerializable(typeof(BenchReport))]
[JsonSerializable(typeof(DataSource))]
[JsonSerializable(typeof(IReadOnlyList<GpuDevice>))]
[JsonSerializable(typeof(IReadOnlyList<NearestPicture>))]
[JsonSerializable(typeof(IReadOnlyList<NoisyAccuracy>))]
[JsonSerializable(typeof(IReadOnlyList<PathPoint>))]
[JsonSerializable(typeof(IReadOnlyList<PointResult>))]
[JsonSerializable(typeof(IReadOnlyDictionary<string, int>))]
[JsonSerializable(typeof(IReadOnlyDictionary<string, string>))]
[JsonSerializable(typeof(PathInput))]
[JsonSerializable(typeof(Estimate))]
[JsonSerializable(typeof(JsonElement))]
internal sealed partial class ReportJson : JsonSerializerContext;
