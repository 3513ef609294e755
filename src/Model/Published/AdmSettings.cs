using System.Collections.Frozen;
using System.Collections.Immutable;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Model.Published;

/// <summary>
/// What is stated of ADM's networks beside their tensors: constructor arguments, or the flags of the training scripts of improved-diffusion and
/// guided-diffusion (<c>num_channels</c>, <c>attention_resolutions</c> as sizes in a text, <c>class_cond</c>, <c>diffusion_steps</c>, ...).
/// </summary>
internal static class AdmSettings
{
    private static readonly FrozenDictionary<string, NoiseScheduleKind> Schedules = new Dictionary<string, NoiseScheduleKind>
    {
        ["linear"] = NoiseScheduleKind.Linear, ["scaled_linear"] = NoiseScheduleKind.ScaledLinear, ["cosine"] = NoiseScheduleKind.Cosine,
    }.ToFrozenDictionary();

    /// <summary>A configuration read off tensors, with what is stated.</summary>
    /// <param name="shown">What the tensors show, the rest guessed.</param>
    /// <param name="stated">What is stated.</param>
    /// <param name="published">The published network that has these tensors; null if none has.</param>
    public static AdmConfig Refine(AdmConfig shown, StatedSettings stated, string? published)
    {
        if (shown is UNetConfig)
        {
            stated.Expect(shown.ModelChannels, stated.Integer("model_channels", "num_channels"));
            stated.Expect(shown.NumResBlocks, stated.Integer("num_res_blocks"));
            stated.Expect(shown.UseScaleShiftNorm, stated.Truth("use_scale_shift_norm"));
            stated.Expect(shown.ResblockUpdown, stated.Truth("resblock_updown"));
            stated.Expect(shown.ChannelMult, stated.List("channel_mult"));
            stated.Expect(shown.OutChannels, stated.Integer("out_channels"));
            stated.Expect(shown.OutChannels == 2 * Pictures(shown), stated.Truth("learn_sigma"));
            if (stated.Integer("in_channels") is { } channels && channels.Value != Pictures(shown)) stated.Expect(shown.InChannels, channels);
        }
        var config = Sized(shown, stated, published);
        if (shown is UNetConfig) RequireAttention(config, stated);
        config = WithHeads(config, stated, published);
        return config with
        {
            UseNewAttentionOrder = stated.Or(stated.Truth("use_new_attention_order"), "use_new_attention_order", shown.UseNewAttentionOrder, published),
            Dropout = stated.Number("dropout")?.Value ?? shown.Dropout,
        };
    }

    /// <summary>How a network was trained, and is sampled.</summary>
    public static DiffusionSettings Diffusion(UNetConfig config, StatedSettings stated, SamplerSettings sampler, string? published)
    {
        bool nullClass = NullClass(config, stated, published);
        // Only the published network of 64 pixels was trained on the cosine schedule.
        var guess = published is not null && config.ModelChannels == UNetConfig.Adm64.ModelChannels ? NoiseScheduleKind.Cosine : NoiseScheduleKind.Linear;
        AncestralVariance? variance = config.OutChannels > Pictures(config) || stated.Truth("sigma_small") is not { } small ? null
            : small.Value ? AncestralVariance.FixedSmall : AncestralVariance.FixedLarge;
        return Levels(new DiffusionSettings(), stated, guess, published) with
        {
            ClassNames = NetworkFamilies.Numbers((config.NumClasses ?? 0) - (nullClass ? 1 : 0)),
            NullClass = nullClass,
            PixelOffset = PixelConversion.Truncation,
            Sampler = sampler with { Variance = variance },
        };
    }

    /// <summary>Discrete noise levels and prediction, as the training scripts of ADM and DiT say them.</summary>
    public static DiffusionSettings Levels(DiffusionSettings settings, StatedSettings stated, NoiseScheduleKind guess, string? published)
    {
        var schedule = stated.Text("noise_schedule") is not { } text ? null
            : Schedules.TryGetValue(text.Value, out var kind) ? new Stated<NoiseScheduleKind>(kind, text.Place, text.ByUser)
            : throw stated.Wrong($"{text.Place} says '{text.Value}'; the noise schedules of such a network are linear, scaled-linear and cosine.");
        var clean = stated.Truth("predict_xstart") is { } x ? new Stated<PredictionType>(x.Value ? PredictionType.X0 : PredictionType.Eps, x.Place, x.ByUser) : null;
        var prediction = stated.Text("prediction") is not { } predicted || !Enum.TryParse(predicted.Value, ignoreCase: true, out PredictionType type) ? null
            : new Stated<PredictionType>(type, predicted.Place, predicted.ByUser);
        if (clean is not null && prediction is not null && clean.Value != prediction.Value) throw stated.Contradiction(prediction, $"{clean.Place} says {clean.Value}");
        return settings with
        {
            Schedule = stated.Or(schedule, "noise_schedule", guess, published),
            Timesteps = stated.Or(stated.Integer("diffusion_steps", "timesteps", "num_timesteps"), "diffusion_steps", 1000, published),
            RescaleTimesteps = stated.Or(stated.Truth("rescale_timesteps"), "rescale_timesteps", false, published),
            Prediction = stated.Or(prediction ?? clean, "prediction", PredictionType.Eps, published),
        };
    }

    /// <summary>Whether a network takes a small picture, enlarged, beside the noisy one, as guided-diffusion's upsamplers do.</summary>
    public static bool IsUpsampler(UNetConfig config) => Pictures(config) < config.InChannels;

    // An upsampler reads the noisy picture and the small one, grey or in colours.
    private static int Pictures(AdmConfig config) => config is UNetConfig && config.InChannels is 2 or 6 ? config.InChannels / 2 : config.InChannels;

    // Flags give attention by the sizes that have it, as a text; constructors by down-sampling rates, as a list.
    private static AdmConfig Sized(AdmConfig shown, StatedSettings stated, string? published)
    {
        bool tokens = shown is EncoderUNetConfig { Pool: ClassifierPool.Attention };
        var size = stated.Integer("image_size");
        if (tokens) stated.Expect(shown.ImageSize, size);
        if (tokens || size is not null) return shown with { ImageSize = size?.Value ?? shown.ImageSize };
        if (shown.AttentionResolutions.IsEmpty && published is null)
        {
            stated.Ask("image_size");
            return shown;
        }
        if (stated.Text("attention_resolutions") is { } text && stated.List("attention_resolutions") is { } sizes && text.Place == sizes.Place && shown is UNetConfig)
            return shown with { ImageSize = (int)sizes.Value.Max() * shown.AttentionResolutions.Min() };
        return shown with { ImageSize = stated.Or(null, "image_size", shown.ImageSize, published) };
    }

    private static void RequireAttention(AdmConfig config, StatedSettings stated)
    {
        if (stated.List("attention_resolutions") is not { } said) return;
        ImmutableArray<double> rates = [.. Enumerable.Range(0, config.ChannelMult.Length).Select(level => (double)(1 << level))];
        ImmutableArray<double> shown = [.. config.AttentionResolutions.Order().Select(r => (double)r)];
        bool asRates = rates.Where(said.Value.Contains).SequenceEqual(shown), asSizes = rates.Where(r => said.Value.Contains(config.ImageSize / r)).SequenceEqual(shown);
        if (!asRates && !asSizes) stated.Expect(shown, said);
    }

    private static AdmConfig WithHeads(AdmConfig config, StatedSettings stated, string? published)
    {
        var channels = stated.Integer("num_head_channels");
        var heads = stated.Integer("num_heads");
        if (channels is { Value: > 0 } && heads is not null && channels.ByUser != heads.ByUser) throw stated.Contradiction(channels, $"{heads.Place} says {heads.Value}");
        int? upwards = stated.Integer("num_heads_upsample")?.Value;
        if (channels is { Value: > 0 }) return config with { NumHeadChannels = channels.Value, NumHeads = heads?.Value ?? config.NumHeads, NumHeadsUpsample = upwards };
        if (heads is not null) return config with { NumHeads = heads.Value, NumHeadChannels = null, NumHeadsUpsample = upwards };
        if (config.NumHeadChannels is { } guess) stated.Or(null, "num_head_channels", guess, published);
        else stated.Or(null, "num_heads", config.NumHeads, published);
        return config;
    }

    // The published networks have none; those that have it count it among their classes, or one more than them.
    private static bool NullClass(UNetConfig config, StatedSettings stated, string? published)
    {
        var conditional = stated.Truth("class_cond");
        var classes = stated.Integer("num_classes");
        var said = stated.NullClass();
        stated.Expect(config.NumClasses is not null, conditional);
        if (config.NumClasses is not { } rows)
        {
            if (classes is { Value: > 0 } && conditional is null) stated.Expect(0, classes);
            if (said is { Value: true, ByUser: true }) throw stated.Contradiction(said, "its tensors are those of a network without classes");
            return false;
        }
        if (classes is not null && classes.Value != rows && !(classes.Value == rows - 1 && said is { Value: true }))
            throw stated.Contradiction(classes, $"its label embedding has {rows} rows{(classes.Value == rows - 1 ? ": if the last is a null class, say so (null_class)" : "")}");
        return stated.Or(said, "null_class", false, published);
    }
}
