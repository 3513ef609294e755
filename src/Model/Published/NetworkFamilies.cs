using NativeDiffusion.Model.Autoencoders;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Clip;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Published;

/// <summary>The architectures whose published checkpoints are recognised.</summary>
internal static class NetworkFamilies
{
    private static readonly SamplerSettings Ancestral250 = new() { Kind = SamplerKind.Ancestral, Steps = 250, Spacing = SpacingKind.Section };

    public static IReadOnlyList<NetworkFamily> All { get; } =
    [
        new("adm_unet", "ADM U-Net (Dhariwal and Nichol 2021, guided-diffusion)")
        {
            Anchor = "time_embed.0.weight",
            Infer = UNetConfig.Infer,
            Declare = Network,
            Diffusion = (config, _) => Adm((UNetConfig)config),
            Presets = Named(UNetConfig.PublishedNetworks),
        },
        new("adm_classifier", "noisy ADM classifier (Dhariwal and Nichol 2021, guided-diffusion)")
        {
            Anchor = "time_embed.0.weight",
            Infer = EncoderUNetConfig.Infer,
            Declare = (config, parameters) => new EncoderUNet((EncoderUNetConfig)config).Declare(parameters),
            Presets = Named(EncoderUNetConfig.PublishedNetworks),
        },
        new("dit", "diffusion transformer (Peebles and Xie 2022, DiT)")
        {
            Anchor = "x_embedder.proj.weight",
            Infer = DitConfig.Infer,
            Declare = Network,
            Diffusion = (config, _) => Dit((DitConfig)config),
            Presets = [.. DitSizes.Select(size => (size, (object)DitConfig.Preset(size)))],
        },
        new("edm_dhariwal", "EDM's ADM network (Karras et al. 2022)")
        {
            Anchor = "map_layer0.weight",
            Infer = DhariwalUNetConfig.Infer,
            Declare = Network,
            IsBuffer = EdmConfig.IsBuffer,
            Refine = EdmMetadata.Refine,
            Diffusion = (config, metadata) => Edm((EdmConfig)config, metadata, new() { Kind = SamplerKind.Heun, Steps = 256, Clip = false, Churn = new HeunChurn(40, 0.05, 50, 1.003) }),
            Presets = [("edm-imagenet-64x64-cond-adm", DhariwalUNetConfig.ImageNet64)],
        },
        new("edm_song", "EDM's DDPM++ or NCSN++ network (Karras et al. 2022)")
        {
            Anchor = "map_layer0.weight",
            Infer = SongUNetConfig.Infer,
            Declare = Network,
            IsBuffer = EdmConfig.IsBuffer,
            Refine = EdmMetadata.Refine,
            Diffusion = (config, metadata) => Edm((EdmConfig)config, metadata, new() { Kind = SamplerKind.Heun, Steps = 18, Clip = false }),
            Presets = [("edm-cifar10-32x32-cond-vp", SongUNetConfig.DdpmPlusPlus), ("edm-cifar10-32x32-cond-ve", SongUNetConfig.NcsnPlusPlus)],
        },
        new("kl_autoencoder", "KL autoencoder (Rombach et al. 2021, latent diffusion)")
        {
            Anchor = "post_quant_conv.weight",
            Infer = KlAutoencoderConfig.Infer,
            Declare = (config, parameters) => new KlAutoencoder((KlAutoencoderConfig)config).Declare(parameters),
            IsBuffer = KlAutoencoder.IsBuffer,
            Presets = [.. Enum.GetValues<KlAutoencoderKeys>().Select(keys => ($"f8, keys of {keys}", (object)new KlAutoencoderConfig { Keys = keys }))],
        },
        new("clip", "CLIP with a vision transformer (Radford et al. 2021)")
        {
            Anchor = "visual.conv1.weight",
            Infer = ClipConfig.Infer,
            Declare = (config, parameters) => new ClipNetwork((ClipConfig)config).Declare(parameters),
            IsBuffer = ClipNetwork.IsBuffer,
            Presets = [.. new[] { "ViT-B/32", "ViT-B/16", "ViT-L/14", "ViT-L/14@336px" }.Select(name => (name, (object)ClipConfig.Preset(name)))],
        },
        new("resnet", "ResNet classifier (He et al. 2015, torchvision or CIFAR-10)")
        {
            Anchor = "layer1.0.conv1.weight",
            Infer = ResNetConfig.Infer,
            Tensors = config => new ResNet((ResNetConfig)config).Published.Select(t => KeyValuePair.Create(t.Key, t.Extents)),
            Declare = (config, parameters) => new ResNet((ResNetConfig)config).Declare(parameters),
            IsBuffer = ResNet.IsBuffer,
            Presets =
            [
                .. new[] { 18, 34, 50, 101, 152 }.Select(depth => ($"ResNet-{depth}", (object)ResNetConfig.OfDepth(depth))),
                .. new[] { 20, 32, 44, 56 }.Select(depth => ($"CIFAR-10 ResNet-{depth}", (object)ResNetConfig.Cifar(depth))),
            ],
        },
    ];

    private static IEnumerable<string> DitSizes =>
        from size in new[] { "S", "B", "L", "XL" }
        from patch in new[] { 2, 4, 8 }
        select $"DiT-{size}/{patch}";

    // Only the network of 64 pixels was trained on the cosine schedule.
    private static DiffusionSettings Adm(UNetConfig config) => new()
    {
        Schedule = config.ImageSize == 64 && config.ModelChannels == UNetConfig.Adm64.ModelChannels ? NoiseScheduleKind.Cosine : NoiseScheduleKind.Linear,
        ClassNames = [.. Numbers(config.NumClasses ?? 0)],
        NullClass = false,
        Sampler = Ancestral250,
    };

    private static DiffusionSettings Dit(DitConfig config) => new()
    {
        Schedule = NoiseScheduleKind.Linear,
        ClassNames = [.. Numbers(config.NumClasses)],
        NullClass = config.ClassDropoutProb > 0,
        Sampler = Ancestral250 with { Clip = false },
        GuidanceScale = 4,
        GuidedChannels = 3,
        LatentScale = 0.18215,
        PixelOffset = 128,
    };

    private static DiffusionSettings Edm(EdmConfig config, IReadOnlyDictionary<string, string> metadata, SamplerSettings sampler) => new()
    {
        Schedule = EdmMetadata.Schedule(metadata),
        SigmaData = EdmMetadata.Number(metadata, "sigma_data") ?? 0.5,
        ClassNames = [.. Numbers(config.LabelDim)],
        NullClass = config.LabelDropout > 0,
        Sampler = sampler,
        PixelOffset = 128,
    };

    private static void Network(object config, Parameters parameters) => ((INetworkConfig)config).Create().Declare(parameters);

    private static (string, object)[] Named<T>(IReadOnlyDictionary<string, T> presets)
        where T : class => [.. presets.Select(p => (p.Key, (object)p.Value))];

    private static IEnumerable<string> Numbers(int count) => Enumerable.Range(0, count).Select(i => i.ToString(System.Globalization.CultureInfo.InvariantCulture));
}
