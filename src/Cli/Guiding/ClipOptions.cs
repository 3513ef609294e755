using System.CommandLine;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Clip;

namespace NativeDiffusion.Cli.Guiding;

/// <summary>Guidance by a text: CLIP, its vocabulary, the texts, and where its scores go.</summary>
internal sealed class ClipOptions
{
    /// <summary>Guiders that can lead to a text.</summary>
    public static readonly string[] Guiders = ["clip", "universal"];

    private readonly Option<string?> _clip = CliOptions.Text("--clip", "FILE", "clip, universal: a published CLIP with a vision transformer.");

    private readonly Option<string?> _vocabulary = CliOptions.Text(
        "--clip-vocabulary", "FILE", "clip, universal: CLIP's file of merges, bpe_simple_vocab_16e6.txt or .txt.gz.");

    private readonly Option<string[]> _prompts = Texts("--prompt", "clip, universal: what the images are to show. Repeat it, for a model without classes, to draw images of each.");

    private readonly Option<string[]> _others = Texts(
        "--against", "clip, universal: another text, away from which the images are led as from the other classes of a classifier. Repeat it for several.");

    /// <summary><c>--clip-scores</c>.</summary>
    public Option<string?> Scores { get; } = CliOptions.Text(
        "--clip-scores", "FILE.csv", "Write the CLIP score of the predicted images along the steps, and a chart beside it (.svg). With a sine (clip), the run is made once more without it, to compare.");

    /// <summary>All options.</summary>
    public IReadOnlyList<Option> All => [_clip, _vocabulary, _prompts, _others, Scores];

    /// <summary>Whether the guidance leads by a text.</summary>
    public bool IsGiven(ParseResult parsed) => parsed.IsGiven(_clip);

    /// <summary>The texts to lead to.</summary>
    public string[] Prompts(ParseResult parsed) => parsed.IsGiven(_prompts) ? parsed.GetValue(_prompts)! : [];

    /// <summary>tau2 unless it is given: texts to lead away from make it a probability, a text alone has its own logit.</summary>
    public double MarginalTemperature(ParseResult parsed) => parsed.IsGiven(_others) ? 1 : 0;

    /// <summary>Checks that all is there that the texts need.</summary>
    /// <exception cref="UsageException">Something is missing or cannot be meant.</exception>
    public void Require(ParseResult parsed, string guider)
    {
        if (!parsed.IsGiven(_clip)) throw new UsageException($"{guider} needs CLIP: give a published file of it by --clip FILE.");
        if (!parsed.IsGiven(_vocabulary)) throw new UsageException($"{guider} needs CLIP's vocabulary to read the prompt: give its file of merges (bpe_simple_vocab_16e6.txt.gz) by --clip-vocabulary FILE.");
        string[] prompts = Prompts(parsed), all = [.. prompts, .. parsed.IsGiven(_others) ? parsed.GetValue(_others)! : []];
        if (prompts.Length == 0) throw new UsageException($"{guider} needs a text: say by --prompt TEXT what the images are to show.");
        if (all.Any(string.IsNullOrWhiteSpace)) throw new UsageException("--prompt and --against take a text that says something; got an empty one.");
        if (all.GroupBy(text => text).FirstOrDefault(g => g.Count() > 1) is { } twice) throw new UsageException($"'{twice.Key}' is given twice among --prompt and --against; once is enough.");
    }

    /// <summary>CLIP with the texts, those to lead to first.</summary>
    /// <exception cref="InvalidDataException">The vocabulary is no file of merges.</exception>
    public ClipClassifier Load(ParseResult parsed, IKernels kernels, int channels)
    {
        ClipTokenizer tokenizer;
        try
        {
            tokenizer = ClipTokenizer.Load(parsed.GetValue(_vocabulary)!);
        }
        catch (FormatException e)
        {
            throw new InvalidDataException(e.Message, e);
        }
        return ClipClassifier.Load(parsed.GetValue(_clip)!, tokenizer, [.. Prompts(parsed), .. parsed.IsGiven(_others) ? parsed.GetValue(_others)! : []], kernels, channels);
    }

    private static Option<string[]> Texts(string name, string description) => new(name) { Description = description, HelpName = "TEXT", Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = false };
}
