using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using NativeDiffusion.Runtime;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;

namespace NativeDiffusion.Cli.Training;

/// <summary>The options of <c>train</c> that change a preset's network.</summary>
internal sealed class NetworkShapeOptions
{
    // What follows from the data.
    private static readonly string[] OfTheData = ["image_size", "in_channels", "out_channels", "num_classes"];

    private static readonly (string, Conditioning)[] ConditioningNames = [("scale-shift", Conditioning.ScaleShift), ("add", Conditioning.Add)];

    private readonly Option<string?> _network = CliOptions.Text(
        "--network", "FILE.json", "Settings of the network, in place of the preset's: an object with keys as in a run's settings.json (or that file itself), as many of them as differ.");

    private readonly Option<int?> _channels = CliOptions.OptionalInteger("--channels", "N", "Channels of the first level, a multiple of 32. [default: the preset's]", 1, 8192);
    private readonly Option<double[]?> _mult = CliOptions.Numbers("--channel-mult", "LIST", "How many times as wide each level is; the side is halved from one to the next: 1,2,3,4. [default: the preset's]", 0.01, 64);
    private readonly Option<int?> _blocks = CliOptions.OptionalInteger("--blocks", "N", "Residual blocks of a level. [default: the preset's]", 1, 64);

    private readonly Option<double[]?> _attention = CliOptions.Numbers(
        "--attention", "LIST", "Levels with attention, by the part of the side that they have: 4,8 for a fourth and an eighth; 0 for none. [default: the preset's]", 0, 4096);

    private readonly Option<int?> _heads = CliOptions.OptionalInteger("--heads", "N", "Heads of an attention. [default: the preset's]", 1, 4096);

    private readonly Option<Conditioning?> _conditioning = CliOptions.OptionalChoice<Conditioning>(
        "--conditioning", "How time and class enter a block: they scale and shift its second normalisation, or are added before it.", ConditioningNames, "the preset's");

    private enum Conditioning
    {
        ScaleShift,
        Add,
    }

    /// <summary>All of them.</summary>
    public IReadOnlyList<Option> All => [_network, _channels, _mult, _blocks, _attention, _heads, _conditioning];

    /// <summary>A preset's network as the options change it.</summary>
    /// <exception cref="UsageException">A network that has no such parts.</exception>
    /// <exception cref="InvalidDataException">The settings are none of a network.</exception>
    public INetworkConfig Apply(ParseResult parsed, INetworkConfig preset, string presetName)
    {
        if (!All.Any(parsed.IsGiven)) return preset;
        if (preset is not UNetConfig network)
            throw new UsageException($"--preset {presetName} has another network than ADM's, whose parts {string.Join(", ", All.Where(parsed.IsGiven).Select(o => o.Name))} would change; leave them out, or take another preset.");
        if (parsed.GetValue(_network) is { } path) network = FromFile(path, network);
        return network with
        {
            ModelChannels = parsed.GetValue(_channels) ?? network.ModelChannels,
            ChannelMult = parsed.IsGiven(_mult) ? [.. parsed.GetValue(_mult)!] : network.ChannelMult,
            NumResBlocks = parsed.GetValue(_blocks) ?? network.NumResBlocks,
            AttentionResolutions = parsed.IsGiven(_attention) ? [.. parsed.GetValue(_attention)!.Where(part => part > 0).Select(Whole)] : network.AttentionResolutions,
            NumHeads = parsed.GetValue(_heads) ?? network.NumHeads,
            NumHeadChannels = parsed.IsGiven(_heads) ? null : network.NumHeadChannels,
            UseScaleShiftNorm = parsed.GetValue(_conditioning) is { } conditioning ? conditioning == Conditioning.ScaleShift : network.UseScaleShiftNorm,
        };
    }

    private static UNetConfig FromFile(string path, UNetConfig preset)
    {
        try
        {
            if (JsonNode.Parse(InputFile.ReadAllText(path)) is not JsonObject given) throw new JsonException("it is no object");
            if (given["network"] is JsonObject inner) given = inner;
            var all = JsonNode.Parse(ModelJson.Write(preset))!.AsObject();
            string[] known = [.. all.Select(p => p.Key), "num_head_channels", "num_heads_upsample"];
            if (given.FirstOrDefault(p => !known.Contains(p.Key) && !OfTheData.Contains(p.Key)).Key is { } unknown)
                throw new JsonException($"there is no '{unknown}'; known are {string.Join(", ", known.Except(OfTheData))}");
            foreach (var (key, value) in given)
                if (!OfTheData.Contains(key)) all[key] = value?.DeepClone();
            return ModelJson.Read<UNetConfig>(all.ToJsonString());
        }
        catch (Exception e) when (e is JsonException or ArgumentException or InvalidOperationException)
        {
            throw new InvalidDataException($"'{path}' does not have the settings of a network: {e.Message}", e);
        }
    }

    private int Whole(double part) => part == Math.Floor(part) ? (int)part : throw new UsageException($"{_attention.Name} takes whole numbers; got {part}.");
}
