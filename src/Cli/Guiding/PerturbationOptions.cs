using System.CommandLine;
using NativeDiffusion.Model.Guiders;

namespace NativeDiffusion.Cli.Guiding;

/// <summary>The options of guiders that disturb the model's own network.</summary>
internal sealed class PerturbationOptions
{
    private static readonly string[] Names = ["pag", "slg", "seg"];

    private readonly Option<double?> _strength = CliOptions.OptionalNumber("--perturb", "X", "pag, slg, seg: strength [default: 3].", 0, 1e6);

    private readonly Option<double[]?> _blocks = CliOptions.Numbers(
        "--perturb-blocks", "LIST", "pag, slg, seg: blocks that are disturbed, counted from 0: transformer blocks, or the self-attentions of a U-Net [default: the one in the middle].", 0, 1e6);

    private readonly Option<double?> _sigma = CliOptions.OptionalNumber("--seg-sigma", "X", "seg: blur of the queries in tokens; above 9999 the mean over all [default: that].", 1e-6, 1e9);

    private readonly Option<PerturbationKind?> _skip = CliOptions.OptionalChoice<PerturbationKind>(
        "--slg-skip", "slg: what is skipped of a block; its parts of transformers only.",
        [("block", PerturbationKind.SkippedBlock), ("attention", PerturbationKind.SkippedAttention), ("feed-forward", PerturbationKind.SkippedFeedForward)], "block");

    /// <summary>The options, each with the guiders that read it.</summary>
    public (Option Option, string[] Guiders)[] Owners => [(_strength, Names), (_blocks, Names), (_sigma, ["seg"]), (_skip, ["slg"])];

    /// <summary>The branch of a guider; null for another one.</summary>
    public PerturbedBranch? From(ParseResult parsed, string name, GuidanceSchedule when)
    {
        if (!Names.Contains(name)) return null;
        var kind = name == "pag" ? PerturbationKind.IdentityAttention : name == "seg" ? PerturbationKind.BlurredQueries : parsed.GetValue(_skip) ?? PerturbationKind.SkippedBlock;
        int[]? blocks = parsed.IsGiven(_blocks) ? [.. parsed.GetValue(_blocks)!.Select(b => b == Math.Floor(b)
            ? (int)b : throw new UsageException(FormattableString.Invariant($"--perturb-blocks takes whole numbers; got {b}.")))] : null;
        return new PerturbedBranch(kind, parsed.GetValue(_strength) ?? 3, blocks, parsed.GetValue(_sigma) ?? double.PositiveInfinity) { When = when };
    }
}
