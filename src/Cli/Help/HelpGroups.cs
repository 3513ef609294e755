using System.CommandLine;

namespace NativeDiffusion.Cli.Help;

/// <summary>Under which heading the help shows an option. An option that stands nowhere here is shown under "Options".</summary>
internal static class HelpGroups
{
    public const string Others = "Options";

    private static readonly (string Heading, string[] Commands)[] OfCommands =
    [
        ("Draw", ["sample"]),
        ("Train", ["train", "train-classifier", "ema"]),
        ("Weights", ["info", "convert"]),
        ("Measure", ["evaluate", "classify", "calibration", "experiment", "bench"]),
        ("This machine and this tool", ["devices", "ptx", "words", "completion"]),
    ];

    private static readonly (string Heading, string[] Options)[] OfEvery =
    [
        ("Machine", ["--device", "--threads", "--math"]),
        ("Published checkpoints, where the file does not say it",
            ["--heads", "--head-channels", "--attention-order", "--image-size", "--schedule", "--diffusion-steps", "--rescale-timesteps", "--prediction", "--null-class"]),
    ];

    private static readonly Dictionary<string, (string Heading, string[] Options)[]> OfCommand = new()
    {
        ["sample"] =
        [
            ("What to draw", ["--model", "--autoencoder", "--classes", "--count", "--w", "--scale", "--seed", "--first", "--like", "--prompt", "--against"]),
            ("Output", ["--out", "--format", "--preview", "--animation", "--json", "--batch"]),
            ("A way between two", ["--to-class", "--to-seed"]),
            ("Sampler", ["--sampler", "--steps", "--spacing", "--rho", "--steps-offset", "--zero-terminal-snr", "--eta", "--v", "--variance", "--churn", "--no-clip", "--raw"]),
            ("Guidance", ["--guider", "--guide", "--guide-when", "--interval-steps", "--interval-sigma", "--recurrences"]),
            ("Guidance by another or a perturbed model", ["--perturb", "--perturb-blocks", "--seg-sigma", "--slg-skip"]),
            ("Guidance, how branches are combined",
            [
                "--rescale", "--zero-steps", "--mambo-alpha", "--apg-threshold", "--apg-eta", "--apg-momentum", "--apg-mix-scale", "--apg-mix-after", "--apg-per-channel", "--fdg-scales", "--fdg-parallel",
                "--threshold-quantile", "--threshold-most", "--temperature", "--score-scale",
            ]),
            ("Guidance by a classifier or a text",
            [
                "--classifier", "--classifier-scale", "--target", "--tau1", "--tau2", "--sine", "--batch-variance", "--softplus", "--normalize", "--classifier-size", "--classifier-bgr", "--classifier-output", "--backward-steps", "--backward-rate",
                "--backward-cutoff", "--clip", "--clip-vocabulary", "--clip-scores", "--noisy-classifier", "--noisy-classifier-scale", "--change-step",
            ]),
        ],
        ["train"] =
        [
            ("What to train, and on what", ["--preset", "--folder", "--size", "--crop", "--skip-bad", "--packs", "--parquet", "--image-column", "--label-column", "--images", "--labels", "--class-names", "--flip", "--shift", "--out", "--estimate"]),
            ("Network", ["--network", "--channels", "--channel-mult", "--blocks", "--attention", "--heads", "--conditioning", "--dropout", "--tanh-head", "--prediction", "--schedule"]),
            ("Loss", ["--null-probability", "--weighting", "--allow-unbounded-weighting", "--timestep-sampling"]),
            ("Optimiser", ["--steps", "--batch", "--lr", "--warmup", "--lr-decay", "--weight-decay", "--clip", "--seed"]),
            ("Averages of the weights", ["--ema", "--ema-half-life", "--power-ema"]),
            ("The run", ["--sample-every", "--save-every", "--stop-after", "--resume", "--force", "--json"]),
        ],
    };

    /// <summary>Names that stand under a heading of a command's own.</summary>
    internal static IEnumerable<string> NamesOf(string command) => OfCommand.GetValueOrDefault(command, []).SelectMany(group => group.Options);

    /// <summary>A command's options by heading, in the order of the help.</summary>
    public static IEnumerable<(string Heading, IReadOnlyList<Option> Options)> Of(Command command, IEnumerable<Option> options)
    {
        var left = options.ToList();
        foreach (var (heading, names) in OfCommand.GetValueOrDefault(command.Name, []).Concat([(Others, [])]).Concat(OfEvery))
        {
            bool isRest = heading == Others;
            string[] elsewhere = isRest ? [.. OfEvery.SelectMany(group => group.Options)] : [];
            Option[] group = [.. left.Where(option => isRest ? !elsewhere.Contains(option.Name) : names.Contains(option.Name)).OrderBy(option => Array.IndexOf(names, option.Name))];
            left.RemoveAll(group.Contains);
            if (group.Length > 0) yield return (heading, group);
        }
    }

    /// <summary>The tool's commands by heading.</summary>
    public static IEnumerable<(string Heading, IReadOnlyList<Command> Commands)> Of(IReadOnlyList<Command> commands)
    {
        foreach (var (heading, names) in OfCommands)
            if (commands.Where(c => names.Contains(c.Name)).ToArray() is { Length: > 0 } group) yield return (heading, group);
        if (commands.Where(c => !OfCommands.Any(g => g.Commands.Contains(c.Name))).ToArray() is { Length: > 0 } rest) yield return ("Commands", rest);
    }
}
