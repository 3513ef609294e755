namespace NativeDiffusion.Cli.Help;

/// <summary>The field's words that options and their values have, a line each.</summary>
internal static class Glossary
{
    /// <summary>A word.</summary>
    /// <param name="Name">As options and papers have it.</param>
    /// <param name="Topic">What it is a word of.</param>
    /// <param name="Meaning">One line.</param>
    public sealed record Entry(string Name, string Topic, string Meaning);

    private const string Guidance = "guidance", Sampler = "sampler", Spacing = "spacing", Training = "training", Prediction = "prediction", Schedule = "schedule", Weighting = "weighting", Metric = "metric";

    private static readonly (string Command, string[] Topics)[] OfCommands =
    [
        ("sample", [Guidance, Sampler, Spacing, Schedule]), ("train", [Training, Prediction, Schedule, Weighting, Guidance]), ("train-classifier", [Training, Guidance]),
        ("evaluate", [Metric]), ("experiment", [Metric, Guidance]), ("calibration", [Metric, Guidance]), ("ema", [Training]),
    ];

    public static IReadOnlyList<Entry> All { get; } =
    [
        new("guidance", Guidance, "leading samples towards a class or a text more strongly than the model does by itself: clearer, and less varied"),
        new("null class", Guidance, "the label that stands for 'no class'; guidance compares the prediction for the class with that for the null class"),
        new("null probability", Guidance, "how often training hides the label behind the null class (p_uncond of the papers, 0.1 to 0.2)"),
        new("w", Guidance, "strength of the papers: 0 is the plain class, 1 adds the whole difference from the null class once"),
        new("scale", Guidance, "s = 1 + w, as most other tools count: 1 is the plain class"),
        new("branch", Guidance, "a further prediction that guidance compares with: null class, weaker model, perturbed pass"),
        new("cfg", Guidance, "classifier-free guidance: away from the prediction of the null class (Ho and Salimans 2022)"),
        new("classifier guidance", Guidance, "towards a class by the gradient of a classifier of noisy images (Dhariwal and Nichol 2021)"),
        new("elucd", Guidance, "towards a class by the gradient of an ordinary classifier, at the predicted clean image (Ma et al. 2023)"),
        new("recurrence", Guidance, "a step taken again after its noise was put back, so that a gradient acts more often"),
        new("interval", Guidance, "guidance in some of the steps only; most of its good comes from the middle ones"),
        new("step", Sampler, "one of the moves from noise to image; a step takes one evaluation of the network, some samplers two"),
        new("dpm++2m", Sampler, "DPM-Solver++ of second order, from the last two predictions: good in 10 to 20 steps"),
        new("ddim", Sampler, "deterministic, first order; can be run backwards from an image to its noise; --eta adds noise"),
        new("ddpm", Sampler, "ancestral: fresh noise at every step, as the models were published; many steps (50 to 1000)"),
        new("alg2", Sampler, "the ancestral sampler of classifier-free guidance's paper (algorithm 2), its variance between two bounds by --v"),
        new("euler", Sampler, "first order in EDM's sigma; the simplest"),
        new("euler-a", Sampler, "the same with fresh noise"),
        new("heun", Sampler, "EDM's second order: a step and its correction, two evaluations; --churn adds noise"),
        new("unipc", Sampler, "predictor and corrector from earlier predictions: good in few steps"),
        new("dpm++2m-sde", Sampler, "DPM-Solver++ of second order with fresh noise; dpm++3m-sde of third; dpm++sde and dpm++2s-a take two evaluations a step"),
        new("dpm2", Sampler, "second order by a midpoint, two evaluations; dpm2-a with fresh noise"),
        new("lms", Sampler, "linear multistep: looks back four steps"),
        new("log-SNR", Spacing, "logarithm of signal over noise, the papers' lambda: high at the image, low at the noise"),
        new("sigma", Spacing, "EDM's noise level: standard deviation of the noise beside a signal of size 1"),
        new("spacing", Spacing, "at which noise levels the steps are"),
        new("uniform", Spacing, "equally many timesteps apart, the last and the first included"),
        new("section", Spacing, "as ADM's respacing: N fractions of the timesteps, rounded"),
        new("ddim-n", Spacing, "ADM's 'ddimN': a whole stride, from timestep 1"),
        new("uniform-u", Spacing, "equally far apart in the continuous time u"),
        new("karras", Spacing, "EDM's: equally far apart in sigma to the power 1/rho; many steps at low noise"),
        new("leading, trailing, linspace", Spacing, "diffusers' three ways to choose timesteps"),
        new("zero terminal SNR", Spacing, "levels moved so that the first step starts from pure noise"),
        new("linear", Schedule, "noise levels of DDPM: beta grows evenly"),
        new("cosine", Schedule, "noise levels of improved DDPM: more steps at middle noise"),
        new("continuous", Schedule, "no timesteps: levels between two log-SNRs, as in classifier-free guidance's paper"),
        new("eps", Prediction, "the network predicts the noise"),
        new("x0", Prediction, "the network predicts the clean image"),
        new("v", Prediction, "the network predicts alpha noise - sigma image: well posed at every level"),
        new("learned variance", Prediction, "the network also predicts how much fresh noise an ancestral step takes"),
        new("weighting", Weighting, "how much each noise level counts in the loss"),
        new("simple", Weighting, "all alike in the error of eps (DDPM)"),
        new("uniform-v, uniform-x0", Weighting, "all alike in the error of v, of x0"),
        new("min-snr", Weighting, "as uniform-x0 in noise, but at most 5 near the image: trains faster (Hang et al. 2023)"),
        new("truncated-snr", Weighting, "signal over noise, at least 1 (Salimans and Ho 2022)"),
        new("p2", Weighting, "less weight near the image, where little is to be learned (Choi et al. 2022)"),
        new("ema", Training, "moving average of the weights, which samples far better than the last weights"),
        new("warm-up", Training, "steps in which the learning rate grows to its peak"),
        new("clipping", Training, "a gradient longer than the limit is shortened to it"),
        new("dropout", Training, "values set to 0 at random, against learning by heart"),
        new("FID", Metric, "Fréchet distance of a network's features from those of real images; 0 for equal sets"),
        new("KID", Metric, "the same question without a bias from few samples"),
        new("Inception Score", Metric, "how sure a classifier is of each image and how evenly it finds the classes"),
        new("precision, recall", Metric, "share of the samples among real images; share of real images among samples"),
        new("density, coverage", Metric, "the same, less at the mercy of single images"),
        new("ECE", Metric, "expected calibration error: how far a classifier's confidence is from how often it is right"),
    ];

    /// <summary>Words of a command's options.</summary>
    public static IEnumerable<Entry> Of(string command) => OfCommands.FirstOrDefault(c => c.Command == command).Topics is { } topics ? All.Where(e => topics.Contains(e.Topic)) : [];
}
