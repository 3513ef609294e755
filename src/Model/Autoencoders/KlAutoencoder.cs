using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Networks.Layers;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Autoencoders;

/// <summary>
/// The convolutional autoencoder between images and the latents of latent diffusion (Rombach et al., arXiv 2112.10752), with a normal
/// distribution for each latent. A recipe: it declares its parameters once and records encoder and decoder into plans.
/// </summary>
public sealed class KlAutoencoder
{
    private const double NormEpsilon = 1e-6;

    private readonly ResBlockOptions _block;
    private readonly AttentionBlockOptions _attention;
    private readonly KlKeys _keys;
    private readonly Coder _encoder, _decoder;
    private readonly ConvLayer _quantization, _postQuantization;

    /// <summary>The network of a configuration.</summary>
    /// <exception cref="ArgumentException">The configuration is not possible; the message says why.</exception>
    public KlAutoencoder(KlAutoencoderConfig config)
    {
        config.Validate();
        Config = config;
        _keys = KlKeys.Of(config.Keys);
        var norm = new GroupNormOptions(config.NormGroups, NormEpsilon);
        _block = new ResBlockOptions { Keys = _keys.BlockLayers, Norm = norm, LastInit = default };
        _attention = new AttentionBlockOptions
        {
            Keys = _keys.AttentionLayers,
            Norm = norm,
            PublishedRank = _keys.AttentionRank,
            LastInit = default,
        };
        int levels = config.ChMult.Length, deepest = config.LevelWidth(levels - 1);

        Level[] down = new Level[levels];
        int width = config.Ch;
        for (int level = 0; level < levels; level++)
        {
            down[level] = MakeLevel(_keys.Down(level), level, width, config.NumResBlocks);
            width = config.LevelWidth(level);
            string name = $"{_keys.Down(level)}.{_keys.Downsample}";
            if (level < levels - 1) down[level].Last = new ConvBlock(name, new ConvLayer(name, width, width, 3) { Stride = 2, Padding = 0, EndPadding = 1 });
        }
        _encoder = new Coder
        {
            In = new ConvLayer("encoder.conv_in", config.InChannels, config.Ch, 3),
            Levels = down,
            Middle = MakeMiddle("encoder", deepest),
            Norm = norm.Layer("encoder." + _keys.NormOut, deepest),
            Out = new ConvLayer("encoder.conv_out", deepest, 2 * config.ZChannels, 3),
        };

        Level[] up = new Level[levels];
        for (int level = levels - 1; level >= 0; level--)
        {
            up[level] = MakeLevel(_keys.Up(level, levels), level, width, config.NumResBlocks + 1);
            width = config.LevelWidth(level);
            string name = $"{_keys.Up(level, levels)}.{_keys.Upsample}";
            if (level > 0) up[level].Last = new ConvBlock(name, new ConvLayer(name, width, width, 3), Resampling.Up);
        }
        _decoder = new Coder
        {
            In = new ConvLayer("decoder.conv_in", config.ZChannels, deepest, 3),
            Levels = up,
            Middle = MakeMiddle("decoder", deepest),
            Norm = norm.Layer("decoder." + _keys.NormOut, width),
            Out = new ConvLayer("decoder.conv_out", width, config.OutCh, 3),
        };
        _quantization = new ConvLayer("quant_conv", 2 * config.ZChannels, 2 * config.ZChannels, 1);
        _postQuantization = new ConvLayer("post_quant_conv", config.ZChannels, config.ZChannels, 1);
    }

    /// <summary>What it was made from.</summary>
    public KlAutoencoderConfig Config { get; }

    /// <summary>Whether a key of a checkpoint is no weight of the autoencoder: those of the loss that it was trained with.</summary>
    public static bool IsBuffer(string key) => key.StartsWith("loss.", StringComparison.Ordinal);

    /// <summary>Declares every parameter under its key.</summary>
    public void Declare(Parameters parameters)
    {
        _encoder.In.Declare(parameters);
        foreach (var block in _encoder.Levels.SelectMany(l => l.Declared).Concat(_encoder.Middle)) block.Declare(parameters);
        _encoder.DeclareEnd(parameters);
        _decoder.In.Declare(parameters);
        foreach (var block in _decoder.Middle.Concat(_decoder.Levels.SelectMany(l => l.Declared))) block.Declare(parameters);
        _decoder.DeclareEnd(parameters);
        _quantization.Declare(parameters);
        _postQuantization.Declare(parameters);
    }

    /// <summary>Reads a published checkpoint.</summary>
    /// <param name="file">The checkpoint.</param>
    /// <param name="prefix">What stands before every key; <see cref="Published.PublishedCheckpoint.Prefix"/> finds it.</param>
    /// <param name="parameters">Declared by <see cref="Declare"/>.</param>
    /// <param name="kernels">The device of the parameters.</param>
    /// <exception cref="CheckpointException">Keys or extents do not fit; the message names the first five differences.</exception>
    public void Read(CheckpointFile file, string prefix, Parameters parameters, IKernels kernels) =>
        WeightFile.Read(file, prefix, parameters, kernels, IsBuffer);

    /// <summary>Records the encoder.</summary>
    /// <param name="b">The plan; its parameters were declared by <see cref="Declare"/>.</param>
    /// <param name="images">[N, H, W, InChannels] in [-1, 1]; H and W divisible by <see cref="KlAutoencoderConfig.Downsampling"/>.</param>
    /// <returns>Moments of the latents [N, H / f, W / f, 2 ZChannels]: means, then log-variances. <see cref="SamplePosterior"/> draws from them.</returns>
    /// <exception cref="ArgumentException">The images do not fit the configuration.</exception>
    public Tensor RecordEncoder(PlanBuilder b, Tensor images)
    {
        int factor = Config.Downsampling;
        if (images.Shape.Rank != 4 || images.Shape.Channels != Config.InChannels || images.Shape[1] % factor != 0 || images.Shape[2] % factor != 0)
            throw new ArgumentException($"The encoder takes images [N,H,W,{Config.InChannels}], height and width divisible by {factor}; got {images}.");
        var context = new BlockContext(b);
        var h = _encoder.In.Record(b, images);
        foreach (var block in _encoder.Levels.SelectMany(l => l.Recorded).Concat(_encoder.Middle)) h = block.Record(context, h);
        return _quantization.Record(b, _encoder.RecordEnd(b, h));
    }

    /// <summary>Records the decoder.</summary>
    /// <param name="b">The plan; its parameters were declared by <see cref="Declare"/>.</param>
    /// <param name="latents">[N, h, w, ZChannels], a diffusion model's divided by <see cref="KlAutoencoderConfig.ScaleFactor"/>.</param>
    /// <returns>Images [N, f h, f w, OutCh], about [-1, 1].</returns>
    /// <exception cref="ArgumentException">The latents do not fit the configuration.</exception>
    public Tensor RecordDecoder(PlanBuilder b, Tensor latents)
    {
        if (latents.Shape.Rank != 4 || latents.Shape.Channels != Config.ZChannels)
            throw new ArgumentException($"The decoder takes latents [N,h,w,{Config.ZChannels}]; got {latents}.");
        var context = new BlockContext(b);
        var h = _decoder.In.Record(b, _postQuantization.Record(b, latents));
        foreach (var block in _decoder.Middle.Concat(_decoder.Levels.Reverse().SelectMany(l => l.Recorded))) h = block.Record(context, h);
        return _decoder.RecordEnd(b, h);
    }

    /// <summary>
    /// Draws latents: mean + exp(logVariance / 2) noise, the log-variance kept in [-30, 20]; not yet multiplied by
    /// <see cref="KlAutoencoderConfig.ScaleFactor"/>. The noise of an image depends on the seed and its sample index alone.
    /// </summary>
    /// <param name="moments">Of one image, [h, w, 2 ZChannels], as the encoder gives them.</param>
    /// <param name="seed">Seed of the noise.</param>
    /// <param name="sample">Index of the image.</param>
    /// <param name="latents">Receives [h, w, ZChannels].</param>
    /// <exception cref="ArgumentException">The lengths do not fit each other.</exception>
    public void SamplePosterior(ReadOnlySpan<float> moments, ulong seed, uint sample, Span<float> latents)
    {
        int channels = Config.ZChannels;
        if (moments.Length != 2L * latents.Length || latents.Length % channels != 0)
            throw new ArgumentException($"Moments of {moments.Length} elements are not those of {latents.Length} latent ones of {channels} channels.");
        for (int i = 0; i < latents.Length; i++)
        {
            int mean = i / channels * 2 * channels + i % channels;
            double logVariance = Math.Clamp(moments[mean + channels], -30, 20);
            latents[i] = (float)(moments[mean] + Math.Exp(logVariance / 2) * Philox.Normal(seed, sample, 0, RandomStream.Posterior, i));
        }
    }

    private Level MakeLevel(string name, int level, int width, int blocks)
    {
        var result = new Level();
        for (int i = 0; i < blocks; i++)
        {
            result.Blocks.Add(new ResBlock($"{name}.{_keys.Block}.{i}", i == 0 ? width : Config.LevelWidth(level), Config.LevelWidth(level), _block));
            if (Config.AttentionLevels.Contains(level)) result.Attention.Add(new AttentionBlock($"{name}.{_keys.Attention}.{i}", Config.LevelWidth(level), 1, _attention));
        }
        return result;
    }

    private Block[] MakeMiddle(string side, int width) =>
    [
        new ResBlock(_keys.MiddleBlock(side, 0), width, width, _block),
        new AttentionBlock(_keys.MiddleAttention(side), width, 1, _attention),
        new ResBlock(_keys.MiddleBlock(side, 1), width, width, _block),
    ];

    /// <summary>The blocks of one resolution, and the convolution that leaves it.</summary>
    private sealed class Level
    {
        public List<Block> Blocks { get; } = [];

        public List<Block> Attention { get; } = [];

        public Block? Last { get; set; }

        public IEnumerable<Block> Declared => WithLast(Blocks.Concat(Attention));

        public IEnumerable<Block> Recorded => WithLast(Blocks.SelectMany((block, i) => i < Attention.Count ? [block, Attention[i]] : new[] { block }));

        private IEnumerable<Block> WithLast(IEnumerable<Block> blocks) => Last is null ? blocks : blocks.Append(Last);
    }

    /// <summary>Encoder or decoder; levels from full resolution on.</summary>
    private sealed class Coder
    {
        public required ConvLayer In { get; init; }

        public required Level[] Levels { get; init; }

        public required Block[] Middle { get; init; }

        public required GroupNormLayer Norm { get; init; }

        public required ConvLayer Out { get; init; }

        public void DeclareEnd(Parameters parameters)
        {
            Norm.Declare(parameters);
            Out.Declare(parameters);
        }

        public Tensor RecordEnd(PlanBuilder b, Tensor h) => Out.Record(b, h, norm: Norm.OnTheWayIn(b, silu: true));
    }
}
