using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using NativeDiffusion.Model.Autoencoders;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Clip;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Training;

namespace NativeDiffusion.Model;

/// <summary>Configurations and settings as the JSON that checkpoints carry, by generated code, which a trimmed or natively compiled program keeps.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectRequiredConstructorParameters = true, RespectNullableAnnotations = true, MaxDepth = Deepest, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    Converters =
    [
        typeof(SnakeCaseConverter<AncestralVariance>), typeof(SnakeCaseConverter<ClassifierPool>), typeof(SnakeCaseConverter<KlAutoencoderKeys>),
        typeof(SnakeCaseConverter<LearningRateDecay>), typeof(SnakeCaseConverter<LossWeighting>), typeof(SnakeCaseConverter<NoiseScheduleKind>),
        typeof(SnakeCaseConverter<PredictionType>), typeof(SnakeCaseConverter<ResNetBlock>), typeof(SnakeCaseConverter<ResNetShortcut>),
        typeof(SnakeCaseConverter<ResNetStem>), typeof(SnakeCaseConverter<SamplerKind>), typeof(SnakeCaseConverter<SongEmbedding>), typeof(SnakeCaseConverter<SongPath>),
        typeof(SnakeCaseConverter<SpacingKind>), typeof(SnakeCaseConverter<TimestepSampling>),
    ])]
[JsonSerializable(typeof(UNetConfig))]
[JsonSerializable(typeof(UNet2DConfig))]
[JsonSerializable(typeof(EncoderUNetConfig))]
[JsonSerializable(typeof(DitConfig))]
[JsonSerializable(typeof(DhariwalUNetConfig))]
[JsonSerializable(typeof(SongUNetConfig))]
[JsonSerializable(typeof(TutorialMlpConfig))]
[JsonSerializable(typeof(ClassifierConfig))]
[JsonSerializable(typeof(ResNetConfig))]
[JsonSerializable(typeof(KlAutoencoderConfig))]
[JsonSerializable(typeof(ClipConfig))]
[JsonSerializable(typeof(DiffusionSettings))]
[JsonSerializable(typeof(PublishedSettings))]
[JsonSerializable(typeof(TrainingSettings))]
[JsonSerializable(typeof(TrainerState))]
[JsonSerializable(typeof(PowerProfile))]
[JsonSerializable(typeof(string))]
[JsonSerializable(typeof(string[]))]
internal sealed partial class ModelJson : JsonSerializerContext
{
    private const int Deepest = 8;

    // Generated code gives a property that the text leaves out the zero of its type in place of the record's own default, so those come from here.
    private static readonly Dictionary<Type, object> Defaults = new object[]
    {
        new UNetConfig { ImageSize = 0, InChannels = 0, ModelChannels = 0, OutChannels = 0, NumResBlocks = 0 },
        new EncoderUNetConfig { ImageSize = 0, InChannels = 0, ModelChannels = 0, OutChannels = 0, NumResBlocks = 0 },
        new DitConfig(), new UNet2DConfig(), new DhariwalUNetConfig { ImgResolution = 0 }, new SongUNetConfig { ImgResolution = 0 }, new TutorialMlpConfig(), new ClassifierConfig(),
        new ResNetConfig { Layers = [] }, new KlAutoencoderConfig(),
        new ClipConfig
        {
            EmbedDim = 0, ImageResolution = 0, VisionLayers = 0, VisionWidth = 0, VisionPatchSize = 0, TransformerWidth = 0, TransformerHeads = 0, TransformerLayers = 0,
        },
        new DiffusionSettings(), new SamplerSettings(), new PublishedSettings(), new TrainingSettings(),
    }.ToDictionary(value => value.GetType());

    /// <summary>Reads one of the types above.</summary>
    /// <exception cref="JsonException">The text is no such object.</exception>
    /// <exception cref="ArgumentException">It says something twice.</exception>
    public static object Read(string text, Type type)
    {
        var info = TypeOf(type);
        var node = JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { MaxDepth = Deepest });
        if (node is JsonObject group) AddDefaults(group, info);
        return node.Deserialize(info) ?? throw new JsonException("the value is null");
    }

    /// <inheritdoc cref="Read(string, Type)"/>
    public static T Read<T>(string text) => (T)Read(text, typeof(T));

    /// <summary>One of the types above as text.</summary>
    public static string Write(object value) => JsonSerializer.Serialize(value, TypeOf(value.GetType()));

    /// <summary>A network's configuration as text, also that of a network of the caller's own.</summary>
    /// <exception cref="NotSupportedException">JSON cannot hold it, or the program was published without what that takes.</exception>
    public static string Write(INetworkConfig network)
    {
        if (Default.GetTypeInfo(network.GetType()) is { } known) return JsonSerializer.Serialize(network, known);
        if (network.JsonType is { } own) return JsonSerializer.Serialize(network, own);
        return JsonSerializer.IsReflectionEnabledByDefault ? WriteByReflection(network) : throw new NotSupportedException(
            $"this program was published trimmed, where JSON is written by generated code only; let {nameof(INetworkConfig)}.{nameof(INetworkConfig.JsonType)} of {network.GetType()} be that of a {nameof(JsonSerializerContext)}.");
    }

    /// <summary>Whether a type is one of the above.</summary>
    public static bool Knows(Type type) => Default.GetTypeInfo(type) is not null;

    private static JsonTypeInfo TypeOf(Type type) => Default.GetTypeInfo(type) ?? throw new NotSupportedException($"{type} is not a {nameof(JsonSerializableAttribute)} of {nameof(ModelJson)}.");

    private static void AddDefaults(JsonObject group, JsonTypeInfo info)
    {
        var whole = Defaults.TryGetValue(info.Type, out object? value) ? JsonSerializer.SerializeToNode(value, info)!.AsObject() : [];
        foreach (var property in info.Properties)
            if (group.TryGetPropertyValue(property.Name, out var given))
            {
                if (given is JsonObject inner && Default.GetTypeInfo(property.PropertyType) is { Kind: JsonTypeInfoKind.Object } innerInfo) AddDefaults(inner, innerInfo);
            }
            else if (!property.IsRequired && whole.TryGetPropertyValue(property.Name, out var missing))
            {
                group[property.Name] = missing?.DeepClone();
            }
    }

    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "Called only where reflection was kept.")]
    [UnconditionalSuppressMessage("AOT", "IL3050", Justification = "Called only where reflection was kept.")]
    private static string WriteByReflection(INetworkConfig network) => JsonSerializer.Serialize(network, network.GetType(), new JsonSerializerOptions(Default.Options)
    {
        TypeInfoResolver = new DefaultJsonTypeInfoResolver(), Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    });
}

/// <summary>Names of an enumeration in snake_case.</summary>
internal sealed class SnakeCaseConverter<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.SnakeCaseLower)
    where T : struct, Enum;
