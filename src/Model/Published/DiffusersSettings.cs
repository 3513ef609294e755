using System.Globalization;
using NativeDiffusion.Model.Autoencoders;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Published;

/// <summary>What <c>config.json</c> says of diffusers' networks beside their tensors: checked against these, and the rest taken.</summary>
internal static class DiffusersSettings
{
    /// <summary>Name of the groups of normalisations, which have no option.</summary>
    public const string Groups = "norm_num_groups";

    private const int UsualGroups = 32;

    /// <summary>Name of the assumption on what latents are multiplied by.</summary>
    public const string LatentScale = "latent_scale";

    private const string UNetClass = "UNet2DModel", AutoencoderClass = "AutoencoderKL";
    private static readonly string[] TransformerClasses = ["DiTTransformer2DModel", "Transformer2DModel"];

    /// <summary>A <c>UNet2DModel</c> read off tensors, with what is stated.</summary>
    public static UNet2DConfig Refine(UNet2DConfig shown, StatedSettings stated, string? published)
    {
        if (Model(stated, UNetClass) is { } file) Say(file, shown, stated);
        if (published is null && !shown.DownBlockTypes.Contains(UNet2DConfig.AttentionDown) && stated.Integer("image_size") is null) stated.Ask("image_size");
        int channels = stated.Or(stated.Integer("num_head_channels"), "num_head_channels", shown.AttentionHeadDim ?? -1, published);
        return shown with
        {
            SampleSize = stated.Integer("image_size")?.Value ?? stated.Or(null, "image_size", shown.SampleSize, published),
            AttentionHeadDim = channels == -1 ? null : channels,
            NormNumGroups = NormGroups(shown, stated, published),
            AttnNormNumGroups = stated.Integer("attn_norm_num_groups")?.Value,
            NormEps = stated.Or(stated.Number("norm_eps"), "norm_eps", shown.NormEps, published),
            FlipSinToCos = stated.Or(stated.Truth("flip_sin_to_cos"), "flip_sin_to_cos", shown.FlipSinToCos, published),
            FreqShift = stated.Or(stated.Number("freq_shift"), "freq_shift", shown.FreqShift, published),
            DownsamplePadding = stated.Or(stated.Integer("downsample_padding"), "downsample_padding", shown.DownsamplePadding, published),
            MidBlockScaleFactor = stated.Number("mid_block_scale_factor")?.Value ?? 1,
            CenterInputSample = stated.Truth("center_input_sample")?.Value ?? false,
            Dropout = stated.Number("dropout")?.Value ?? 0,
        };
    }

    private static int NormGroups(UNet2DConfig shown, StatedSettings stated, string? published)
    {
        var said = stated.Integer(Groups);
        if (said is null && shown.NormNumGroups != UsualGroups)
        {
            stated.Ask(Groups);
            return shown.NormNumGroups;
        }
        return stated.Or(said, Groups, shown.NormNumGroups, published);
    }

    /// <summary>How it was trained, and is sampled.</summary>
    public static DiffusionSettings Diffusion(UNet2DConfig config, StatedSettings stated, string? published)
    {
        bool nullClass = config.NumClassEmbeds is not null && stated.Or(stated.NullClass(), "null_class", false, published);
        return DiffusersScheduler.Settings(config, stated, published) with
        {
            ClassNames = DiffusersFolder.ClassNames(stated.Diffusers, (config.NumClassEmbeds ?? 0) - (nullClass ? 1 : 0)),
            NullClass = nullClass,
        };
    }

    /// <summary>Says what a transformer's file says, under the names of the transformer's authors; what it computes otherwise than theirs is in the result.</summary>
    public static DitConfig Refine(DitConfig shown, StatedSettings stated)
    {
        double epsilon = 1e-5;
        if (Model(stated, TransformerClasses) is { } file)
        {
            file.Support("norm_type", "ada_norm_zero");
            file.Support("activation_fn", "gelu-approximate");
            Require(file, "attention_bias", true, file.Truth("attention_bias") ?? file.ClassName == TransformerClasses[0]);
            Require(file, "norm_elementwise_affine", false, file.Truth("norm_elementwise_affine") ?? file.ClassName != TransformerClasses[0]);
            file.Expect("in_channels", shown.InChannels, file.Integer("in_channels", 1, 1024));
            file.Expect("out_channels", shown.OutChannels, file.Integer("out_channels", 1, 2048));
            file.Expect("num_layers", shown.Depth, file.Integer("num_layers", 1, 1024));
            file.Expect("patch_size", shown.PatchSize, file.Integer("patch_size", 1, 64));
            file.Expect("sample_size", shown.InputSize, file.Size("sample_size"));
            int heads = file.Integer("num_attention_heads", 1, 4096) ?? 16, channels = file.Integer("attention_head_dim", 1, 8192) ?? (file.ClassName == TransformerClasses[0] ? 72 : 88);
            if (heads * channels != shown.HiddenSize)
                throw new CheckpointException($"{file.Path}: num_attention_heads {heads} of attention_head_dim {channels} make {heads * channels} channels, but the weights are those of {shown.HiddenSize}: the two do not belong together.");
            stated.Say("num_heads", file.Place("num_attention_heads"), Text(heads));
            if (file.Integer("num_embeds_ada_norm", 1, 1_000_000) is { } classes) stated.Say("num_classes", file.Place("num_embeds_ada_norm"), Text(classes));
            epsilon = file.Number("norm_eps") ?? epsilon;
            if (!(epsilon > 0 && epsilon < 1)) throw file.Wrong("norm_eps", "above 0 and below 1");
        }
        else
        {
            if (DiffusersKeys.GuessesSize(stated.File) && stated.Integer("image_size") is null) stated.Or(null, "input_size", shown.InputSize);
            stated.Or(null, "norm_eps", epsilon);
        }
        return shown with { FreqShift = 1, MlpNormEps = epsilon };
    }

    /// <summary>An autoencoder read off tensors, with what its file says.</summary>
    public static KlAutoencoderConfig Refine(KlAutoencoderConfig shown, StatedSettings stated)
    {
        if (shown.Keys == KlAutoencoderKeys.LatentDiffusion || Model(stated, AutoencoderClass) is not { } file)
        {
            return shown.NormGroups == UsualGroups ? shown
                : throw stated.Wrong($"its widths, multiples of {shown.Ch}, are none of {UsualGroups}, the groups of the published autoencoders' normalisations, and nothing says how many it has: put the config.json that belongs to it beside it.");
        }
        file.Support("act_fn", "silu", "swish");
        if (file.Number("shift_factor") is { } shift && shift != 0) throw file.Wrong("shift_factor", "absent or 0: latents that are shifted are not supported");
        file.Expect("in_channels", shown.InChannels, file.Integer("in_channels", 1, 1024));
        file.Expect("out_channels", shown.OutCh, file.Integer("out_channels", 1, 1024));
        file.Expect("latent_channels", shown.ZChannels, file.Integer("latent_channels", 1, 1024));
        file.Expect("layers_per_block", shown.NumResBlocks, file.Integer("layers_per_block", 1, 64));
        file.Expect("block_out_channels", [.. shown.ChMult.Select(m => m * shown.Ch)], file.Integers("block_out_channels"));
        return shown with { NormGroups = file.Integer(Groups, 1, 8192) ?? UsualGroups, ScaleFactor = DiffusersFolder.ScaleOf(file) };
    }

    /// <summary>What a file is by the <c>config.json</c> beside it, if that names a class, or options of one, which are not supported; null for others.</summary>
    public static OtherCheckpoint? Unsupported(CheckpointFile file)
    {
        if (DiffusersFolder.Beside(file)?.Model is not { } model) return null;
        string name = $"{CheckpointException.Quote(model.ClassName)} of diffusers, as {Path.GetFileName(model.Path)} says";
        return model.ClassName switch
        {
            UNetClass => Unsupported(model) is { } what ? new($"{UNetClass} of diffusers with {what}", "that is not supported.") : null,
            AutoencoderClass or "DiTTransformer2DModel" => null,
            "Transformer2DModel" when model.Text("norm_type") is null or "ada_norm_zero" => null,
            _ => new(name, $"it is not supported; {UNetClass} (DDPM), DiTTransformer2DModel and {AutoencoderClass} are."),
        };
    }

    private static string? Unsupported(DiffusersConfig file)
    {
        string[] known = [UNet2DConfig.Down, UNet2DConfig.AttentionDown, UNet2DConfig.Up, UNet2DConfig.AttentionUp];
        if ((file.Texts("down_block_types") ?? []).Concat(file.Texts("up_block_types") ?? []).FirstOrDefault(type => !known.Contains(type)) is { } block) return $"blocks {CheckpointException.Quote(block)}";
        (string Key, string Usual)[] texts = [("time_embedding_type", "positional"), ("downsample_type", "conv"), ("upsample_type", "conv"), ("mid_block_type", "UNetMidBlock2D"), ("class_embed_type", "")];
        return texts.Where(t => file.Text(t.Key) is { } text && text != t.Usual).Select(t => $"{t.Key} {CheckpointException.Quote(file.Text(t.Key)!)}").FirstOrDefault();
    }

    // The class's own defaults stand in for what is left out.
    private static void Say(DiffusersConfig file, UNet2DConfig shown, StatedSettings stated)
    {
        if (Unsupported(file) is { } what) throw new CheckpointException($"{file.Path}: {what}: that is not supported.");
        file.Support("act_fn", "silu", "swish");
        file.Expect("in_channels", shown.InChannels, file.Integer("in_channels", 1, 1024));
        file.Expect("out_channels", shown.OutChannels, file.Integer("out_channels", 1, 2048));
        file.Expect("block_out_channels", [.. shown.BlockOutChannels], file.Integers("block_out_channels"));
        file.Expect("down_block_types", [.. shown.DownBlockTypes], file.Texts("down_block_types"));
        file.Expect("up_block_types", [.. shown.UpBlockTypes], file.Texts("up_block_types"));
        file.Expect("layers_per_block", shown.LayersPerBlock, file.Integer("layers_per_block", 1, 64));
        file.Expect("num_class_embeds", shown.NumClassEmbeds, file.Integer("num_class_embeds", 1, 1_000_000));
        file.Expect("resnet_time_scale_shift", shown.ResnetTimeScaleShift, file.Text("resnet_time_scale_shift"));
        file.Expect("add_attention", shown.AddAttention, file.Truth("add_attention"));
        var usual = new UNet2DConfig();
        void Tell(string name, string key, string value) => stated.Say(name, file.Place(key), value);
        if (file.Size("sample_size") is { } size) Tell("image_size", "sample_size", Text(size));
        Tell("num_head_channels", "attention_head_dim", Text(file.Integer("attention_head_dim", 1, 8192) ?? -1));
        Tell(Groups, Groups, Text(file.Integer(Groups, 1, 8192) ?? usual.NormNumGroups));
        if (file.Integer("attn_norm_num_groups", 1, 8192) is { } groups) Tell("attn_norm_num_groups", "attn_norm_num_groups", Text(groups));
        Tell("norm_eps", "norm_eps", Text(file.Number("norm_eps") ?? usual.NormEps));
        Tell("flip_sin_to_cos", "flip_sin_to_cos", file.Truth("flip_sin_to_cos") ?? usual.FlipSinToCos ? "true" : "false");
        Tell("freq_shift", "freq_shift", Text(file.Number("freq_shift") ?? usual.FreqShift));
        Tell("downsample_padding", "downsample_padding", Text(file.Integer("downsample_padding", 0, 1) ?? usual.DownsamplePadding));
        Tell("mid_block_scale_factor", "mid_block_scale_factor", Text(file.Number("mid_block_scale_factor") ?? 1));
        Tell("center_input_sample", "center_input_sample", file.Truth("center_input_sample") == true ? "true" : "false");
        Tell("dropout", "dropout", Text(file.Number("dropout") ?? 0));
    }

    private static DiffusersConfig? Model(StatedSettings stated, params string[] classes)
    {
        if (stated.Diffusers?.Model is not { } file) return null;
        return classes.Contains(file.ClassName) ? file
            : throw new CheckpointException($"{file.Path}: is of a {file.ClassName}, but the weights beside it are those of a {classes[0]}: the two do not belong together.");
    }

    private static void Require(DiffusersConfig file, string key, bool needed, bool said)
    {
        if (said != needed) throw new CheckpointException($"{file.Path}: '{key}' is {(said ? "true" : "false")}, but the weights are those of {(needed ? "true" : "false")}: the two do not belong together.");
    }

    private static string Text<T>(T value)
        where T : IFormattable => value.ToString(null, CultureInfo.InvariantCulture);
}
