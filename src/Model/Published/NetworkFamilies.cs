using System.Collections.Immutable;
using System.Globalization;
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
            Refine = (config, stated, published) => AdmSettings.Refine((UNetConfig)config, stated, published),
            Diffusion = (config, stated, published) => AdmSettings.Diffusion((UNetConfig)config, stated, Ancestral250, published),
            Presets = Named(UNetConfig.PublishedNetworks),
        },
        new("adm_classifier", "noisy ADM classifier (Dhariwal and Nichol 2021, guided-diffusion)")
        {
            Anchor = "time_embed.0.weight",
            Infer = EncoderUNetConfig.Infer,
            Refine = (config, stated, published) => AdmSettings.Refine((EncoderUNetConfig)config, stated, published),
            Declare = (config, parameters) => new EncoderUNet((EncoderUNetConfig)config).Declare(parameters),
            Presets = Named(EncoderUNetConfig.PublishedNetworks),
        },
        new("dit", "diffusion transformer (Peebles and Xie 2022, DiT)")
        {
            Anchor = "x_embedder.proj.weight",
            Infer = DitConfig.Infer,
            Declare = Network,
            Refine = (config, stated, published) => DitSettings.Refine((DitConfig)config, stated, published),
            Diffusion = (config, stated, published) => DitSettings.Diffusion((DitConfig)config, stated, Ancestral250, published),
            Presets = [.. DitSizes.Select(size => (size, (object)DitConfig.Preset(size)))],
        },
        new("unet2d", "U-Net of DDPM (Ho et al. 2020, UNet2DModel of diffusers)")
        {
            Anchor = "time_embedding.linear_1.weight",
            Infer = UNet2DConfig.Infer,
            Declare = Network,
            Refine = (config, stated, published) => DiffusersSettings.Refine((UNet2DConfig)config, stated, published),
            Diffusion = (config, stated, published) => DiffusersSettings.Diffusion((UNet2DConfig)config, stated, published),
            Presets = [("ddpm-cifar10-32", UNet2DConfig.Ddpm32), ("ddpm-celebahq-256", UNet2DConfig.Ddpm256)],
        },
        new("edm_dhariwal", "EDM's ADM network (Karras et al. 2022)")
        {
            Anchor = "map_layer0.weight",
            Infer = DhariwalUNetConfig.Infer,
            Declare = Network,
            IsBuffer = EdmConfig.IsBuffer,
            Refine = (config, stated, _) => EdmSettings.Refine((EdmConfig)config, stated),
            Diffusion = (config, stated, _) => EdmSettings.Diffusion((EdmConfig)config, stated, new() { Kind = SamplerKind.Heun, Steps = 256, Clip = false, Churn = new HeunChurn(40, 0.05, 50, 1.003) }),
            Presets = [("edm-imagenet-64x64-cond-adm", DhariwalUNetConfig.ImageNet64)],
        },
        new("edm_song", "EDM's DDPM++ or NCSN++ network (Karras et al. 2022)")
        {
            Anchor = "map_layer0.weight",
            Infer = SongUNetConfig.Infer,
            Declare = Network,
            IsBuffer = EdmConfig.IsBuffer,
            Refine = (config, stated, _) => EdmSettings.Refine((EdmConfig)config, stated),
            Diffusion = (config, stated, _) => EdmSettings.Diffusion((EdmConfig)config, stated, new() { Kind = SamplerKind.Heun, Steps = 18, Clip = false }),
            Presets = [("edm-cifar10-32x32-cond-vp", SongUNetConfig.DdpmPlusPlus), ("edm-cifar10-32x32-cond-ve", SongUNetConfig.NcsnPlusPlus)],
        },
        new("kl_autoencoder", "KL autoencoder (Rombach et al. 2021, latent diffusion)")
        {
            Anchor = "post_quant_conv.weight",
            Infer = KlAutoencoderConfig.Infer,
            Refine = (config, stated, _) => DiffusersSettings.Refine((KlAutoencoderConfig)config, stated),
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

    /// <summary>Names of the published transformers.</summary>
    public static IEnumerable<string> DitSizes =>
        from size in new[] { "S", "B", "L", "XL" }
        from patch in new[] { 2, 4, 8 }
        select $"DiT-{size}/{patch}";

    private static void Network(object config, Parameters parameters) => ((INetworkConfig)config).Create().Declare(parameters);

    private static (string, object)[] Named<T>(IReadOnlyDictionary<string, T> presets)
        where T : class => [.. presets.Select(p => (p.Key, (object)p.Value))];

    /// <summary>Names of classes that have none: their numbers.</summary>
    public static ImmutableArray<string> Numbers(int count) => [.. Enumerable.Range(0, count).Select(i => i.ToString(CultureInfo.InvariantCulture))];
}
