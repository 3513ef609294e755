using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Onnx;

namespace NativeDiffusion.Cli.Guiding;

/// <summary>How a ResNet, or the network of an ONNX file, sees the images that it guides.</summary>
internal sealed class ResNetOptions
{
    private static readonly string[] Names = ["elucd", "elucd-edm", "universal"], Any = ["classifier", .. Names];

    private readonly Option<double?> _softplus = CliOptions.OptionalNumber(
        "--softplus", "X", "elucd [default: 3], elucd-edm [default: 5], universal [default: none]: beta of the softplus in place of a ResNet's ReLUs, or those of an ONNX file.", 1e-6, 1e9);

    private readonly Option<string?> _normalise = CliOptions.Text(
        "--normalize", "MEAN:STD",
        "elucd, elucd-edm, universal, classifier of an ONNX file: what the images of a ResNet or an ONNX file, of 0 to 1, are normalised by, as 0.5:0.25 or lists by channel; or imagenet [default: as they are, as in EluCD's code].");

    private readonly Option<int?> _size = CliOptions.OptionalInteger(
        "--classifier-size", "N", "elucd, elucd-edm, universal, classifier of an ONNX file: height and width that a ResNet's images are resized to [default: as they are], or those of an ONNX file that leaves them free.", 1, 4096);

    private readonly Option<bool> _bgr = new("--classifier-bgr") { Description = "Guiders with --classifier FILE.onnx: the network takes blue first." };

    private readonly Option<string?> _output = CliOptions.Text("--classifier-output", "NAME", "Guiders with --classifier FILE.onnx: the value of the graph that has the logits [default: its first output].");

    /// <summary>The options, each with the guiders that read it.</summary>
    public (Option Option, string[] Guiders)[] Owners => [(_softplus, Names), (_normalise, Any), (_size, Any), (_bgr, Any), (_output, Any)];

    /// <summary>Names of those that were given.</summary>
    public IReadOnlyList<string> Given(ParseResult parsed) => [.. Owners.Select(o => o.Option).Where(parsed.IsGiven).Select(o => o.Name)];

    /// <summary>What they say.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="guider">The guider, which has a softplus of its own.</param>
    /// <param name="channels">Channels of the images; null for as many as the normalisation has.</param>
    /// <exception cref="UsageException">A normalisation that is none.</exception>
    public ResNetGuideOptions From(ParseResult parsed, string guider, int? channels) => new()
    {
        SoftplusBeta = parsed.GetValue(_softplus) ?? guider switch
        {
            "elucd-edm" => 5,
            "universal" => double.PositiveInfinity,
            _ => 3,
        },
        Normalisation = parsed.GetValue(_normalise) is { } text ? Normalisation(text, channels) : [],
        ResizeTo = parsed.GetValue(_size),
    };

    /// <summary>What they say of an ONNX file.</summary>
    /// <exception cref="UsageException">A normalisation that is none.</exception>
    public OnnxOptions Onnx(ParseResult parsed, string guider) => new()
    {
        SoftplusBeta = guider == "classifier" ? double.PositiveInfinity : From(parsed, guider, null).SoftplusBeta,
        Normalisation = From(parsed, guider, null).Normalisation,
        InputSize = parsed.GetValue(_size),
        Bgr = parsed.GetValue(_bgr),
        Output = parsed.GetValue(_output),
    };

    /// <summary>A normalisation in words.</summary>
    /// <param name="text">As the option has it.</param>
    /// <param name="given">Number of channels; null for as many as there are numbers.</param>
    /// <exception cref="UsageException">It is none.</exception>
    public static ImmutableArray<(double Mean, double Deviation)> Normalisation(string text, int? given)
    {
        if (text == "imagenet") return ResNetGuideOptions.ImageNet;
        double[][] parts = [.. text.Split(':').Select(part => part.Split(',').Select(Number).ToArray())];
        int channels = given ?? parts.Max(p => p.Length);
        if (parts.Length != 2 || parts.Any(p => p.Length != 1 && p.Length != channels))
            throw new UsageException($"--normalize takes imagenet, or means and deviations with a colon between, one of each or {channels} (one for each channel) separated by commas; got '{text}'.");
        return [.. Enumerable.Range(0, channels).Select(c => (parts[0][c % parts[0].Length], parts[1][c % parts[1].Length]))];
        double Number(string word) => double.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
            ? value : throw new UsageException($"--normalize: '{word}' is not a number; got '{text}'.");
    }
}
