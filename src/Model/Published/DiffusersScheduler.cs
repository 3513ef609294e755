using System.Globalization;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Model.Published;

/// <summary>Noise levels, prediction and sampler of a <c>scheduler_config.json</c>; what it leaves out has the default of its class.</summary>
internal static class DiffusersScheduler
{
    private const int MostTimesteps = 1_000_000, UsualSteps = 50;

    // Betas of the classes that come from k-diffusion have other defaults.
    private static readonly (string Class, SamplerKind Kind, string Spacing, bool Scaled)[] Classes =
    [
        ("DDPMScheduler", SamplerKind.Ancestral, "leading", false), ("DDIMScheduler", SamplerKind.Ddim, "leading", false),
        ("DPMSolverMultistepScheduler", SamplerKind.DpmSolver2M, "linspace", false), ("DPMSolverSDEScheduler", SamplerKind.DpmSolverSde, "linspace", true),
        ("EulerDiscreteScheduler", SamplerKind.Euler, "linspace", false), ("EulerAncestralDiscreteScheduler", SamplerKind.EulerAncestral, "linspace", false),
        ("HeunDiscreteScheduler", SamplerKind.Heun, "linspace", true), ("LMSDiscreteScheduler", SamplerKind.Lms, "linspace", false),
        ("KDPM2DiscreteScheduler", SamplerKind.Dpm2, "linspace", true), ("KDPM2AncestralDiscreteScheduler", SamplerKind.Dpm2Ancestral, "linspace", true),
        ("UniPCMultistepScheduler", SamplerKind.UniPC, "linspace", false),
        ("PNDMScheduler", SamplerKind.Ddim, "leading", false), ("DEISMultistepScheduler", SamplerKind.DpmSolver2M, "linspace", false),
        ("DPMSolverSinglestepScheduler", SamplerKind.DpmSolver2M, "linspace", false),
    ];

    private static readonly string[] Substituted = ["PNDMScheduler", "DEISMultistepScheduler", "DPMSolverSinglestepScheduler"];

    /// <summary>How a network of diffusers was trained, and is sampled.</summary>
    /// <param name="network">The network.</param>
    /// <param name="stated">What is said beside its tensors.</param>
    /// <param name="published">The published network that has these tensors; null if none has.</param>
    /// <exception cref="Runtime.Checkpoints.CheckpointException">The settings are not possible, or need what is not supported.</exception>
    public static DiffusionSettings Settings(INetworkConfig network, StatedSettings stated, string? published)
    {
        var settings = new DiffusionSettings { PixelOffset = 128, Sampler = new SamplerSettings { Kind = SamplerKind.Ddim, Steps = UsualSteps } };
        if (stated.Diffusers?.Scheduler is { } scheduler)
        {
            var kind = Classes.FirstOrDefault(c => c.Class == scheduler.ClassName);
            if (kind.Class is null)
                throw stated.Wrong($"{scheduler.Path} is of a {scheduler.ClassName}, which is not supported; those that are: {string.Join(", ", Classes.Select(c => c.Class))}. Move the file away to go by the weights alone, and say the noise levels by options.");
            Say(scheduler, stated);
            bool scaled = kind.Scaled;
            settings = settings with
            {
                BetaStart = scheduler.Says("beta_start") || scaled ? scheduler.Number("beta_start") ?? 0.00085 : 0.0001,
                BetaEnd = scheduler.Says("beta_end") || scaled ? scheduler.Number("beta_end") ?? 0.012 : 0.02,
            };
        }
        settings = AdmSettings.Levels(settings, stated, NoiseScheduleKind.Linear, published);
        if (settings.Schedule == NoiseScheduleKind.Cosine) settings = settings with { BetaStart = null, BetaEnd = null };
        if (stated.Diffusers?.Scheduler is { } found) settings = settings with { Sampler = Sampler(network, settings, found, stated) };
        if (settings.Sampler!.Steps > settings.Timesteps) settings = settings with { Sampler = settings.Sampler with { Steps = settings.Timesteps } };
        return settings with { LatentScale = LatentScale(stated) };
    }

    /// <summary>What the latents of a pipeline with an autoencoder were multiplied by; null in any other, whose networks make pictures.</summary>
    public static double? LatentScale(StatedSettings stated) => stated.Diffusers?.Autoencoder is null ? null : stated.Diffusers.LatentScale ?? 0.18215;

    private static void Say(DiffusersConfig scheduler, StatedSettings stated)
    {
        if (scheduler.Says("trained_betas")) throw stated.Wrong($"{scheduler.Path}: noise levels as a list of numbers (trained_betas) are not supported.");
        scheduler.Support("beta_schedule", "linear", "scaled_linear", "squaredcos_cap_v2");
        scheduler.Support("prediction_type", "epsilon", "sample", "v_prediction");
        // Files of before prediction_type say it so.
        string prediction = scheduler.Text("prediction_type") ?? (scheduler.Truth("predict_epsilon") == false ? "sample" : "epsilon"), schedule = scheduler.Text("beta_schedule") ?? "linear";
        stated.Say("noise_schedule", scheduler.Place("beta_schedule"), schedule == "squaredcos_cap_v2" ? "cosine" : schedule);
        stated.Say("diffusion_steps", scheduler.Place("num_train_timesteps"), (scheduler.Integer("num_train_timesteps", 1, MostTimesteps) ?? 1000).ToString(CultureInfo.InvariantCulture));
        stated.Say("prediction", scheduler.Place("prediction_type"), prediction == "sample" ? "x0" : prediction == "v_prediction" ? "v" : "eps");
        stated.Say("rescale_timesteps", System.IO.Path.GetFileName(scheduler.Path), "false");
    }

    private static SamplerSettings Sampler(INetworkConfig network, DiffusionSettings settings, DiffusersConfig scheduler, StatedSettings stated)
    {
        var (name, kind, usual, _) = Classes.First(c => c.Class == scheduler.ClassName);
        scheduler.Support("timestep_spacing", usual, "leading", "trailing", "linspace");
        string spacing = scheduler.Text("timestep_spacing") ?? usual;
        bool ancestral = kind == SamplerKind.Ancestral, karras = scheduler.Truth("use_karras_sigmas") == true;
        bool clips = (scheduler.Truth("clip_sample") ?? name is "DDPMScheduler" or "DDIMScheduler") && name is "DDPMScheduler" or "DDIMScheduler" or "HeunDiscreteScheduler";
        if (Substituted.Contains(name)) stated.Remark($"{name} is not among the samplers here; {OptionWords.Of(kind)} takes its place");
        if (scheduler.Truth("thresholding") == true) stated.Remark("thresholding of the scheduler is left out; pictures are clamped as clip_sample says");
        if (clips && scheduler.Number("clip_sample_range") is { } range && range != 1) stated.Remark(string.Create(CultureInfo.InvariantCulture, $"clip_sample_range {range} of the scheduler is left out: what is clamped is clamped to 1"));
        foreach (string other in new[] { "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas" })
            if (scheduler.Truth(other) == true) stated.Remark($"{other} of the scheduler is left out: its steps are spaced as timestep_spacing says");
        return new SamplerSettings
        {
            Kind = kind,
            Steps = ancestral ? settings.Timesteps : Math.Min(UsualSteps, settings.Timesteps),
            Spacing = karras ? SpacingKind.Karras : spacing switch { "leading" => SpacingKind.Leading, "trailing" => SpacingKind.Trailing, _ => SpacingKind.Linspace },
            // All timesteps leave no place for an offset.
            StepsOffset = !karras && spacing == "leading" && !ancestral ? scheduler.Integer("steps_offset", 0, MostTimesteps) ?? 0 : 0,
            ZeroTerminalSnr = scheduler.Truth("rescale_betas_zero_snr") == true,
            Variance = ancestral ? Variance(network, scheduler) : null,
            Clip = clips,
        };
    }

    private static AncestralVariance Variance(INetworkConfig network, DiffusersConfig scheduler)
    {
        string variance = scheduler.Text("variance_type") ?? "fixed_small";
        bool learns = network.OutChannels == 2 * network.InChannels;
        if (variance is "learned" or "learned_range" && !learns)
            throw scheduler.Wrong("variance_type", $"fixed_small or fixed_large, since the network has {network.OutChannels} channels of output for {network.InChannels} of input: it does not learn the variance");
        return variance switch
        {
            "fixed_small" or "fixed_small_log" => AncestralVariance.FixedSmall,
            "fixed_large" or "fixed_large_log" => AncestralVariance.FixedLarge,
            "learned" => AncestralVariance.Learned,
            "learned_range" => AncestralVariance.LearnedRange,
            _ => throw scheduler.Wrong("variance_type", "fixed_small, fixed_large (each also with _log), learned or learned_range"),
        };
    }
}
