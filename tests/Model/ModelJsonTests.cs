using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model;

/// <summary>Settings as JSON by generated code, against what reflection makes of them.</summary>
public sealed class ModelJsonTests
{
    private static readonly JsonSerializerOptions Reflected = new(ModelJson.Default.Options)
    {
        TypeInfoResolver = new DefaultJsonTypeInfoResolver(), Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    private static IEnumerable<Type> Types() => typeof(ModelJson).GetCustomAttributesData().Where(a => a.AttributeType == typeof(JsonSerializableAttribute))
        .Select(a => (Type)a.ConstructorArguments[0].Value!).Where(t => ModelJson.Default.GetTypeInfo(t)!.Kind == JsonTypeInfoKind.Object);

    [TestCaseSource(nameof(Types))]
    public void What_a_text_leaves_out_is_as_the_record_has_it(Type type)
    {
        var required = ModelJson.Default.GetTypeInfo(type)!.Properties.Where(p => p.IsRequired);
        var least = new JsonObject(required.Select(p => KeyValuePair.Create<string, JsonNode?>(p.Name, p.PropertyType == typeof(string) ? "x" : p.PropertyType.IsPrimitive ? JsonValue.Create(3) : new JsonArray())));
        string text = least.ToJsonString();
        object expected = JsonSerializer.Deserialize(text, type, Reflected)!, read = ModelJson.Read(text, type);
        Assert.That(ModelJson.Write(read), Is.EqualTo(JsonSerializer.Serialize(expected, type, Reflected)));
        foreach (var property in required)
            Assert.That(() => ModelJson.Read(Without(least, property.Name), type), Throws.TypeOf<JsonException>().With.Message.Contains(property.Name));
    }

    [Test]
    public void What_a_part_leaves_out_is_as_its_record_has_it() =>
        Assert.That(ModelJson.Read<DiffusionSettings>("""{"sampler":{"kind":"ddim"}}""").Sampler, Is.EqualTo(JsonSerializer.Deserialize<DiffusionSettings>("""{"sampler":{"kind":"ddim"}}""", Reflected)!.Sampler));

    [Test]
    public void Every_enumeration_is_written_as_words()
    {
        var enums = Types().Append(typeof(NativeDiffusion.Model.Sampling.SamplerSettings)).SelectMany(t => ModelJson.Default.GetTypeInfo(t)!.Properties)
            .Select(p => Nullable.GetUnderlyingType(p.PropertyType) ?? p.PropertyType).Where(t => t.IsEnum).Distinct().ToArray();
        Assert.That(enums, Has.Length.GreaterThan(10));
        foreach (var type in enums)
            Assert.That(JsonSerializer.Serialize(Enum.GetValues(type).GetValue(0), ModelJson.Default.GetTypeInfo(type)!), Does.Match("^\"[a-z0-9_]+\"$"), type.Name);
    }

    [TestCase("""{"steps":1,"steps":2}""")]
    [TestCase("[]")]
    [TestCase("null")]
    [TestCase("""{"schedule":"none"}""")]
    public void What_is_no_settings_is_refused(string text) =>
        Assert.That(() => ModelJson.Read<DiffusionSettings>(text.Replace("steps", "timesteps")), Throws.InstanceOf<JsonException>().Or.InstanceOf<ArgumentException>());

    [Test]
    public void A_network_of_ones_own_is_written_by_its_own_generated_code()
    {
        Assert.That(ModelJson.Write(new Generated { Depth = 3 }), Is.EqualTo("""{"Depth":3,"ImageSize":8,"InChannels":1,"OutChannels":1,"NumClasses":null}"""));
    }

    private static string Without(JsonObject group, string name)
    {
        var copy = group.DeepClone().AsObject();
        copy.Remove(name);
        return copy.ToJsonString();
    }

    internal sealed record Generated : INetworkConfig
    {
        public int Depth { get; init; }

        public int ImageSize => 8;

        public int InChannels => 1;

        public int OutChannels => 1;

        public int? NumClasses => null;

        JsonTypeInfo? INetworkConfig.JsonType => GeneratedJson.Default.Generated;

        public IDiffusionNetwork Create() => throw new NotSupportedException();
    }
}

[JsonSerializable(typeof(ModelJsonTests.Generated))]
internal sealed partial class GeneratedJson : JsonSerializerContext;
