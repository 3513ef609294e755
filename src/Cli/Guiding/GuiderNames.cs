namespace NativeDiffusion.Cli.Guiding;

/// <summary>The words of <c>--guider</c>, each with what its user needs to know of it.</summary>
internal static class GuiderNames
{
    /// <summary>Name, when to use it, cost, source.</summary>
    public static readonly (string Name, string When, string Cost, string Source)[] All =
    [
        ("cfg", "the default: a model with a null class, by --w or --scale", "one more row per guided image", "arXiv 2207.12598"),
        ("icg", "in place of cfg where a model of classes has no null class", "one more row", "arXiv 2407.02687"),
        ("autoguidance", "a weaker model is at hand (--guide): less trained, or smaller", "one pass of the weak model", "arXiv 2406.02507"),
        ("pag", "structure without classes: attention of the middle block made the identity (--perturb)", "one more row", "arXiv 2403.17377"),
        ("slg", "as pag, with the block skipped", "one more row", "arXiv 2411.18664"),
        ("seg", "as pag, with blurred queries: gentler", "one more row", "arXiv 2408.00760"),
        ("rescale", "with cfg or another, against washed-out or harsh contrast at high strengths", "none", "arXiv 2305.08891"),
        ("zero*", "with cfg, for models that err at the first steps", "none; first steps are spared", "arXiv 2503.18886"),
        ("tcfg", "with cfg, against what null and class predictions do not share", "none", "arXiv 2503.18137"),
        ("mambo-g", "with cfg, at high strengths in few steps", "none", "arXiv 2508.03442"),
        ("apg", "with cfg, against oversaturation at high strengths", "none", "arXiv 2410.02416"),
        ("apg-momentum", "as apg, with a running difference, which also damps what guidance repeats from step to step", "one buffer", "arXiv 2410.02416"),
        ("apg-mix", "plain guidance in the first steps, then apg with momentum at a scale of its own (--apg-mix-scale)", "one buffer", "diffusers' AdaptiveProjectedMixGuidance"),
        ("fdg", "with cfg: a scale for each band of frequencies, for detail at high strengths without oversaturation (--fdg-scales)", "a pyramid of both predictions", "arXiv 2506.19713"),
        ("dynamic-threshold", "against saturated pixels at high strengths, in place of clipping", "a quantile of the prediction", "arXiv 2205.11487"),
        ("cfg++", "with cfg and --scale in 0:1, for ddim, euler, euler-a and dpm++2m", "none", "arXiv 2406.08070"),
        ("noise-temperature", "a baseline: less noise, less variety, blur (--temperature)", "none", "arXiv 2105.05233"),
        ("score-scale", "a baseline: a larger score (--score-scale)", "none", "arXiv 2105.05233"),
        ("classifier", "a classifier of noisy images (--classifier), also for models without classes (--target); with other samplers than ddpm it acts at sigma up to 80", "classifier forward and backward", "arXiv 2105.05233"),
        ("elucd", "an ordinary classifier of clean images, sampler ddpm; of latents through the decoder", "classifier forward and backward", "Ma et al. 2024 (EluCD)"),
        ("elucd-edm", "the same at the start of each step, for models and samplers in EDM's sigma", "classifier forward and backward", "EluCD's released code"),
        ("clip", "a text (--clip, --prompt), sampler ddpm; of latents through the decoder", "CLIP's image tower forward and backward", "Ma et al. 2024 (EluCD)"),
        ("universal", "any sampler, by a classifier of clean images or a text, where elucd and clip are too weak", "the denoiser backward, the classifier or CLIP forward and backward; --backward-steps more of the latter", "arXiv 2302.07121"),
    ];

    /// <summary>The part of the help that lists them.</summary>
    public static string Help => "Guiders (--guider NAME, as often as they combine):" + Environment.NewLine
        + string.Join(Environment.NewLine, All.Select(g => $"  {g.Name,-18}{g.When}; costs: {g.Cost}; {g.Source}"));
}
