using System.Collections.Immutable;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Model.Published;

/// <summary>
/// What EDM's pickles state of a network beside its tensors: the class of its preconditioning and the constructor arguments, those of the network
/// and those of the preconditioning alike. An argument that is absent among others has its default.
/// </summary>
internal static class EdmSettings
{
    // What training with dropped labels uses; any probability above 0 makes the vector of zeros the null class.
    private const double UsualLabelDropout = 0.1;

    /// <summary>A configuration read off tensors, with what is stated.</summary>
    public static EdmConfig Refine(EdmConfig shown, StatedSettings stated)
    {
        stated.Expect(shown is SongUNetConfig ? "SongUNet" : "DhariwalUNet", stated.Text("model_type"));
        stated.Expect(shown.ImgResolution, stated.Integer("img_resolution"));
        stated.Expect(shown.ImgChannels, stated.Integer("img_channels"));
        stated.Expect(shown.LabelDim, stated.Integer("label_dim"));
        stated.Expect(shown.AugmentDim, stated.Integer("augment_dim"));
        stated.Expect(shown.ModelChannels, stated.Integer("model_channels"));
        stated.Expect([.. shown.ChannelMult.Select(m => (double)m)], stated.List("channel_mult"));
        stated.Expect(shown.ChannelMultEmb, stated.Integer("channel_mult_emb"));
        stated.Expect(shown.NumBlocks, stated.Integer("num_blocks"));
        if (stated.List("attn_resolutions") is { } attention)
        {
            ImmutableArray<double> levels = [.. Enumerable.Range(0, shown.ChannelMult.Length).Select(level => (double)(shown.ImgResolution >> level)).Where(attention.Value.Contains)];
            if (!levels.SequenceEqual(shown.AttnResolutions.Select(r => (double)r).OrderDescending())) stated.Expect([.. shown.AttnResolutions.Select(r => (double)r)], attention);
        }
        if (shown is SongUNetConfig song) shown = Refine(song, stated);
        var said = stated.NullClass();
        if (said is { Value: true, ByUser: true } && shown.LabelDim == 0) throw stated.Contradiction(said, "its tensors are those of a network without classes");
        bool nullClass = shown.LabelDim > 0 && !stated.HasArguments ? stated.Or(said, "null_class", false) : said?.Value ?? false;
        return shown with
        {
            Dropout = stated.Number("dropout")?.Value ?? shown.Dropout,
            LabelDropout = !nullClass ? 0 : stated.Number("label_dropout")?.Value ?? UsualLabelDropout,
        };
    }

    /// <summary>How a network was trained, and is sampled.</summary>
    public static DiffusionSettings Diffusion(EdmConfig config, StatedSettings stated, SamplerSettings sampler) => new()
    {
        Schedule = Schedule(stated),
        Timesteps = stated.Integer("M")?.Value ?? 1000,
        SigmaData = stated.HasArguments ? stated.Number("sigma_data")?.Value ?? 0.5 : stated.Or(stated.Number("sigma_data"), "sigma_data", 0.5),
        SigmaMin = stated.Number("sigma_min")?.Value,
        SigmaMax = stated.Number("sigma_max")?.Value is { } most && double.IsFinite(most) ? most : null,
        BetaMin = stated.Number("beta_min")?.Value,
        BetaD = stated.Number("beta_d")?.Value,
        LeastU = stated.Number("epsilon_t")?.Value,
        IddpmC1 = stated.Number("C_1")?.Value,
        IddpmC2 = stated.Number("C_2")?.Value,
        ClassNames = NetworkFamilies.Numbers(config.LabelDim),
        NullClass = config.LabelDropout > 0,
        Sampler = sampler,
        PixelOffset = 128,
    };

    // The filter is among the arguments, and, as the outer product of itself over its squared sum, in the buffers of every resampling layer.
    private static SongUNetConfig Refine(SongUNetConfig shown, StatedSettings stated)
    {
        void ExpectName<T>(T value, string name)
            where T : struct, Enum
        {
            if (stated.Text(name) is { } said && !said.Value.Equals(value.ToString(), StringComparison.OrdinalIgnoreCase))
                throw stated.Contradiction(said, $"its tensors are those of '{value.ToString().ToLowerInvariant()}'");
        }
        ExpectName(shown.EmbeddingType, "embedding_type");
        ExpectName(shown.EncoderType, "encoder_type");
        ExpectName(shown.DecoderType, "decoder_type");
        stated.Expect(shown.ChannelMultNoise, stated.Integer("channel_mult_noise"));
        var filter = stated.List("resample_filter");
        ImmutableArray<double> stored = stated.Tensor(".resample_filter") is { } values ? RowSums(values) : [];
        if (stored.IsEmpty) return shown with { ResampleFilter = filter?.Value ?? shown.ResampleFilter };
        if (filter is not null && !Same(Normalised(filter.Value), Normalised(stored)))
            throw stated.Contradiction(filter, $"its buffers 'resample_filter' are those of {string.Join(", ", Normalised(stored).Select(v => FormattableString.Invariant($"{v:0.####}")))}");
        // Under the usual form where the buffers are of one.
        return shown with { ResampleFilter = filter?.Value ?? (Same(Normalised(shown.ResampleFilter), Normalised(stored)) ? shown.ResampleFilter : stored) };
    }

    private static NoiseScheduleKind Schedule(StatedSettings stated)
    {
        var named = stated.Text("class_name") is { } name && Kind(name.Value) is { } kind ? new Stated<NoiseScheduleKind>(kind, name.Place, name.ByUser) : null;
        if (stated.Text("noise_schedule") is { } given && Enum.TryParse(given.Value.Replace("_", ""), ignoreCase: true, out NoiseScheduleKind wanted))
        {
            if (wanted is not (NoiseScheduleKind.Edm or NoiseScheduleKind.VpSde or NoiseScheduleKind.VeSde or NoiseScheduleKind.Iddpm))
                throw stated.Wrong($"{given.Place} says '{given.Value}'; the preconditionings of EDM's networks are edm, vp_sde, ve_sde and iddpm.");
            if (named is not null && named.Value != wanted) throw stated.Contradiction(given, $"{named.Place} says it is {named.Value}");
            named ??= new Stated<NoiseScheduleKind>(wanted, given.Place, given.ByUser);
        }
        return stated.Or(named, "noise_schedule", NoiseScheduleKind.Edm);
    }

    private static NoiseScheduleKind? Kind(string className) => className switch
    {
        "EDMPrecond" => NoiseScheduleKind.Edm,
        "VPPrecond" => NoiseScheduleKind.VpSde,
        "VEPrecond" => NoiseScheduleKind.VeSde,
        "iDDPMPrecond" => NoiseScheduleKind.Iddpm,
        _ => null,
    };

    private static ImmutableArray<double> RowSums(float[] square)
    {
        int taps = (int)Math.Round(Math.Sqrt(square.Length));
        return taps * taps == square.Length ? [.. Enumerable.Range(0, taps).Select(row => square.AsSpan(row * taps, taps).ToArray().Sum(v => (double)v))] : [];
    }

    private static double[] Normalised(ImmutableArray<double> filter) => [.. filter.Select(tap => tap / filter.Sum())];

    private static bool Same(double[] a, double[] b) => a.Length == b.Length && a.Zip(b).All(pair => Math.Abs(pair.First - pair.Second) < 1e-5);
}
