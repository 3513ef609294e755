using System.CommandLine;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Cli;

/// <summary>The options of <c>sample</c> that choose the sampler and its steps.</summary>
internal sealed class SamplerChoice
{
    private readonly Option<SamplerKind?> _sampler = CliOptions.OptionalChoice(
        "--sampler",
        "The sampler. In few steps: dpm++2m and unipc at one evaluation a step, heun and dpm2 at two. With fresh noise, for more steps: ddpm, alg2, euler-a, "
        + "dpm++2m-sde and dpm++3m-sde at one, dpm2-a, dpm++2s-a and dpm++sde at two. ddim can be inverted; euler is the simplest; lms looks back four steps.", OptionWords.Samplers, "that of the published model, else dpm++2m");

    private readonly Option<int?> _steps = CliOptions.OptionalInteger(
        "--steps", "N", "Steps from noise to image. [default: those of the published model with its own sampler, else 20]", 1, 100_000);

    private readonly Option<SpacingKind?> _spacing = CliOptions.OptionalChoice(
        "--spacing", "How the noise levels are spaced.", OptionWords.Spacings, "uniform for ddpm, alg2, ddim, dpm++2m and unipc, karras for the others and for models in EDM's sigma");

    private readonly Option<double?> _rho = CliOptions.OptionalNumber(
        "--rho", "X", "Exponent of --spacing karras [default: 7] and polyexponential [default: 1]: larger puts more levels at the clean end.", 1e-3, 1e3);

    private readonly Option<int?> _stepsOffset = CliOptions.OptionalInteger(
        "--steps-offset", "N", "Added to the timesteps of --spacing leading; settings of Stable Diffusion say 1. [default: 0]", 0, 100_000);

    private readonly Option<bool> _zeroTerminalSnr = new("--zero-terminal-snr")
    {
        Description = "Take the schedule stretched to pure noise, for a model of v or x0 that was trained so; with --spacing trailing.",
    };

    private readonly Option<double?> _eta = CliOptions.OptionalNumber("--eta", "X", "Fresh noise of ddim [default: 0] and of the samplers whose names end in -a or sde [default: 1].", 0, 1);
    private readonly Option<double?> _v = CliOptions.OptionalNumber("--v", "X", "Variance interpolation of alg2 [default: 0.3].", 0, 1);

    private readonly Option<AncestralVariance?> _variance = CliOptions.OptionalChoice(
        "--variance", "Variance of ddpm.", OptionWords.Variances, "learned-range if the model has learned it, else small");

    private readonly Option<double?> _churn = CliOptions.OptionalNumber("--churn", "X", "Noise that heun, dpm2 or euler adds back over all steps [default: 0].", 0, 1000);
    private readonly Option<bool> _noClip = new("--no-clip") { Description = "Do not clamp the predicted clean image to the range of pixels." };

    /// <summary>All of them.</summary>
    public IReadOnlyList<Option> All => [_sampler, _steps, _spacing, _rho, _stepsOffset, _zeroTerminalSnr, _eta, _v, _variance, _churn, _noClip];

    /// <summary>What is given replaces what the model came with; another sampler than its own starts from the general default.</summary>
    /// <exception cref="UsageException">An option of another sampler.</exception>
    public SamplerSettings From(ParseResult parsed, DiffusionModel model)
    {
        var own = model.Settings.Sampler ?? new SamplerSettings();
        var kind = parsed.GetValue(_sampler) ?? own.Kind;
        RequireSampler(
            parsed, _eta,
            kind is SamplerKind.Ddim or SamplerKind.EulerAncestral or SamplerKind.Dpm2Ancestral or SamplerKind.DpmSolver2SAncestral or SamplerKind.DpmSolverSde
                or SamplerKind.DpmSolver2MSde or SamplerKind.DpmSolver3MSde,
            "ddim, euler-a, dpm2-a, dpm++2s-a, dpm++sde, dpm++2m-sde and dpm++3m-sde");
        RequireSampler(parsed, _v, kind == SamplerKind.Algorithm2, "alg2");
        RequireSampler(parsed, _variance, kind == SamplerKind.Ancestral, "ddpm");
        RequireSampler(parsed, _churn, kind is SamplerKind.Heun or SamplerKind.Dpm2 or SamplerKind.Euler, "heun, dpm2 and euler");
        var settings = kind == own.Kind ? own : new SamplerSettings { Kind = kind, Clip = own.Clip };
        return settings with
        {
            Steps = parsed.GetValue(_steps) ?? settings.Steps,
            Spacing = parsed.GetValue(_spacing) ?? settings.Spacing,
            Rho = parsed.GetValue(_rho) ?? (parsed.IsGiven(_spacing) ? null : settings.Rho),
            StepsOffset = parsed.GetValue(_stepsOffset) ?? settings.StepsOffset,
            ZeroTerminalSnr = parsed.GetValue(_zeroTerminalSnr) || settings.ZeroTerminalSnr,
            Variance = parsed.GetValue(_variance) ?? settings.Variance,
            Eta = parsed.GetValue(_eta) ?? settings.Eta,
            V = parsed.GetValue(_v) ?? settings.V,
            Churn = parsed.GetValue(_churn) is { } churn ? settings.Churn with { Amount = churn } : settings.Churn,
            Clip = settings.Clip && !parsed.GetValue(_noClip),
        };
    }

    private static void RequireSampler(ParseResult parsed, Option option, bool fits, string samplers)
    {
        if (parsed.IsGiven(option) && !fits) throw new UsageException($"{option.Name} belongs to the sampler {samplers}; choose it with --sampler.");
    }
}
