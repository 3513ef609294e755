using System.CommandLine;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Published;

namespace NativeDiffusion.Cli;

/// <summary>What a published checkpoint may leave open, and its user can say.</summary>
internal sealed class NetworkOptions
{
    private const string Preset = "what the file says, else a guess, which info shows";

    private readonly Option<int?> _heads = CliOptions.OptionalInteger("--heads", "N", "Published checkpoints: attention heads (ADM, DiT).", 1, 4096);
    private readonly Option<int?> _headChannels = CliOptions.OptionalInteger("--head-channels", "N", "Published checkpoints: channels of an attention head, instead of --heads (ADM).", 1, 8192);

    private readonly Option<Answer?> _attentionOrder = CliOptions.OptionalChoice<Answer>(
        "--attention-order", "Published checkpoints: order of the channels of qkv (ADM).", [("legacy", Answer.No), ("new", Answer.Yes)], Preset);

    private readonly Option<int?> _imageSize = CliOptions.OptionalInteger("--image-size", "N", "Published checkpoints: height and width of the images (ADM).", 1, 4096);

    private readonly Option<NoiseScheduleKind?> _schedule = CliOptions.OptionalChoice<NoiseScheduleKind>(
        "--schedule", "Published checkpoints: noise levels of the training (ADM, DiT, diffusers: linear, scaled-linear, cosine), or preconditioning (EDM: edm, vp-sde, ve-sde, iddpm).",
        [
            ("linear", NoiseScheduleKind.Linear), ("scaled-linear", NoiseScheduleKind.ScaledLinear), ("cosine", NoiseScheduleKind.Cosine), ("edm", NoiseScheduleKind.Edm), ("vp-sde", NoiseScheduleKind.VpSde),
            ("ve-sde", NoiseScheduleKind.VeSde), ("iddpm", NoiseScheduleKind.Iddpm),
        ], Preset);

    private readonly Option<int?> _timesteps = CliOptions.OptionalInteger("--diffusion-steps", "N", "Published checkpoints: timesteps of the training (ADM, DiT).", 1, 1_000_000);

    private readonly Option<Answer?> _rescale = CliOptions.OptionalChoice<Answer>(
        "--rescale-timesteps", "Published checkpoints: whether the network receives timesteps times 1000 / N, as improved-diffusion's of 4,000 steps.", [("yes", Answer.Yes), ("no", Answer.No)], Preset);

    private readonly Option<PredictionType?> _prediction = CliOptions.OptionalChoice<PredictionType>(
        "--prediction", "Published checkpoints: what the network predicts (ADM, DiT).", [("eps", PredictionType.Eps), ("x0", PredictionType.X0), ("v", PredictionType.V)], Preset);

    private readonly Option<Answer?> _nullClass = CliOptions.OptionalChoice<Answer>(
        "--null-class", "Published checkpoints: whether the last label is the null class, or, of EDM's, the network knows labels of zeros.", [("yes", Answer.Yes), ("no", Answer.No)], Preset);

    // The parser takes an option of truth values for a flag.
    private enum Answer
    {
        No,
        Yes,
    }

    private IReadOnlyList<(string Setting, Option Option)> All =>
    [
        ("num_heads", _heads), ("num_head_channels", _headChannels), ("use_new_attention_order", _attentionOrder), ("image_size", _imageSize), ("noise_schedule", _schedule),
        ("diffusion_steps", _timesteps), ("rescale_timesteps", _rescale), ("prediction", _prediction), ("null_class", _nullClass),
    ];

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        foreach (var (_, option) in All) command.Add(option);
    }

    /// <summary>What was given; null for nothing.</summary>
    public PublishedSettings? From(ParseResult parsed) => !All.Any(o => parsed.IsGiven(o.Option)) ? null : new PublishedSettings
    {
        NumHeads = parsed.GetValue(_heads),
        NumHeadChannels = parsed.GetValue(_headChannels),
        UseNewAttentionOrder = Truth(parsed.GetValue(_attentionOrder)),
        ImageSize = parsed.GetValue(_imageSize),
        Schedule = parsed.GetValue(_schedule),
        Timesteps = parsed.GetValue(_timesteps),
        RescaleTimesteps = Truth(parsed.GetValue(_rescale)),
        Prediction = parsed.GetValue(_prediction),
        NullClass = Truth(parsed.GetValue(_nullClass)),
    };

    /// <summary>What was taken for granted of a network, in a word or two.</summary>
    public string Describe(Assumption assumption)
    {
        string option = All.FirstOrDefault(o => o.Setting == assumption.Setting).Option is { } known ? $"; {known.Name} says otherwise" : "";
        return assumption.Value is null ? $"unknown: neither the file nor its tensors say it{option.Replace("says otherwise", "gives it", StringComparison.Ordinal)}"
            : assumption.Published is { } published ? $"{assumption.Value} (assumed, as of the published {published}{option})"
            : $"{assumption.Value} (a guess: neither the file nor its tensors say it{option})";
    }

    /// <summary>One line on the guesses that a model was loaded with; null where there is none.</summary>
    public string? Note(string path, IEnumerable<Assumption> assumptions)
    {
        string[] guesses = [.. assumptions.Where(a => a.Published is null).Select(a =>
            All.FirstOrDefault(o => o.Setting == a.Setting).Option is { } option ? $"{a.Setting} {a.Value} ({option.Name})" : $"{a.Setting} {a.Value}")];
        return guesses.Length == 0 ? null : $"note: {path} does not say all of its network; guessed: {string.Join(", ", guesses)}.";
    }

    private static bool? Truth(Answer? answer) => answer is null ? null : answer == Answer.Yes;
}
