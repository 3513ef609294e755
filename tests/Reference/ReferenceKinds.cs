namespace NativeDiffusion.Tests.Reference;

/// <summary>
/// Every kind of reference case: those with a test, and those that are known and wait for what they test. To run a kind, move it from
/// <see cref="Awaited"/> to <see cref="Run"/> and let a test take <see cref="ReferenceCase.OfKind"/>. A file of any other kind is a failed test.
/// </summary>
internal static class ReferenceKinds
{
    public const string AdmUNet = "adm_unet", AdmClassifier = "adm_classifier", ResNet = "resnet", Dit = "dit", Clip = "clip", Autoencoder = "autoencoder",
        EdmNetwork = "edm_network", EdmTrajectory = "edm_trajectory", Trajectory = "trajectory", TorchCheckpoint = "torch_checkpoint",
        GuidedTrajectory = "guided_trajectory", EluCdTrajectory = "elucd_trajectory", ClassifierGuidance = "classifier_guidance", EluCdDdpm = "elucd_ddpm", EluCdEdm = "elucd_edm", EluCdResNet = "elucd_resnet", Perturbed = "perturbed",
        SigmaSampler = "sigma_sampler", Scheduler = "scheduler", CfgPlusPlus = "cfgpp", NormalizedAttention = "nag", Guider = "guider", Metrics = "metrics", Universal = "universal", PowerAverage = "edm2_phema";

    /// <summary>Kinds that a test runs.</summary>
    public static IReadOnlySet<string> Run { get; } = new HashSet<string>
    {
        AdmUNet, AdmClassifier, ResNet, Dit, Clip, Autoencoder, EdmNetwork, EdmTrajectory, Trajectory, TorchCheckpoint,
        GuidedTrajectory, EluCdTrajectory, ClassifierGuidance, EluCdDdpm, EluCdEdm, EluCdResNet, Perturbed, SigmaSampler, Scheduler, CfgPlusPlus, NormalizedAttention, Guider, Metrics, Universal, PowerAverage,
    };

    /// <summary>Kinds of what the library has not yet, or not in a form that the case can be run with; reported as ignored.</summary>
    public static IReadOnlySet<string> Awaited { get; } = new HashSet<string>
    {
        "edm2", "edm2_sampler", "sit", "sit_sampler", "sit_paths",
    };

    /// <summary>The kind of a case: what its configuration says, else what its entries show; null for one that shows none.</summary>
    public static string? Of(ReferenceCase reference)
    {
        if (Path.GetExtension(reference.Path) == ".pt") return TorchCheckpoint;
        var config = reference.Config;
        bool Says(string name) => config.TryGetProperty(name, out _);
        if (config.TryGetProperty("kind", out var kind)) return kind.GetString();
        if (reference.Has("out.trajectory"))
            return Says("rho") ? EdmTrajectory
                : Says("joint_temperature") ? "elucd_trajectory"
                : config.TryGetProperty("classifier_scale", out var scale) && scale.GetDouble() != 0 ? "guided_trajectory"
                : Says("schedule") ? Trajectory : null;
        if (reference.Has("weights.visual.class_embedding")) return Clip;
        if (reference.Has("weights.x_embedder.proj.weight")) return Dit;
        if (reference.Has("weights.quant_conv.weight")) return Autoencoder;
        if (reference.Has("weights.conv1.weight") && Says("layers")) return ResNet;
        if (reference.Has("weights.model.map_layer0.weight")) return EdmNetwork;
        return reference.Has("weights.time_embed.0.weight") ? Says("pool") ? AdmClassifier : AdmUNet : null;
    }
}
