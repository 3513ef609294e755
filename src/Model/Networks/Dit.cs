using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Networks.Layers;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks;

/// <summary>
/// The diffusion transformer of Peebles and Xie (arXiv 2212.09748), under its published parameter names: patches of the latents as tokens, blocks
/// whose normalisations and residuals are modulated by time and class (adaLN-Zero), and a linear layer back to patches.
/// </summary>
public sealed class Dit : IPerturbableNetwork
{
    private const double Epsilon = 1e-6, MaxPeriod = 10000;
    private const int TimeChannels = 256;
    private const string Positions = "pos_embed", Labels = "y_embedder.embedding_table.weight";

    private static readonly TransformerKeys BlockKeys =
        new("attn.qkv.weight", "attn.qkv.bias", "attn.proj", "mlp.fc1", "mlp.fc2", Modulation: "adaLN_modulation.1");

    private readonly PatchEmbedding _patches;
    private readonly LinearLayer _time0, _time2, _last, _lastModulation;
    private readonly TransformerBlock[] _blocks;

    /// <summary>The network of a configuration.</summary>
    /// <exception cref="ArgumentException">The configuration is not possible; the message says why.</exception>
    public Dit(DitConfig config)
    {
        config.Validate();
        Config = config;
        int width = config.HiddenSize;
        _patches = new("x_embedder.proj", config.InChannels, width, config.PatchSize) { Init = LayerInit.Xavier() };
        _time0 = new("t_embedder.mlp.0", TimeChannels, width) { Init = LayerInit.Normal(0.02) };
        _time2 = new("t_embedder.mlp.2", width, width) { Init = LayerInit.Normal(0.02) };
        var options = new TransformerOptions
        {
            Keys = BlockKeys, HiddenWidth = config.HiddenWidth, Heads = config.NumHeads, Epsilon = Epsilon, SecondEpsilon = config.MlpNormEps, Activation = (b, h) => b.Gelu(h),
            Init = LayerInit.Xavier(),
        };
        _blocks = [.. Enumerable.Range(0, config.Depth).Select(i => new TransformerBlock($"blocks.{i}", width, options))];
        _last = new("final_layer.linear", width, config.PatchSize * config.PatchSize * config.OutChannels) { Init = LayerInit.Zero };
        _lastModulation = new("final_layer.adaLN_modulation.1", width, 2 * width) { Init = LayerInit.Zero };
    }

    /// <summary>What it was made from.</summary>
    public DitConfig Config { get; }

    INetworkConfig IDiffusionNetwork.Config => Config;

    /// <inheritdoc/>
    public void Declare(Parameters parameters)
    {
        int width = Config.HiddenSize, grid = Config.Grid;
        var positions = Initializer.Table(i => Position(grid, width, i / width, i % width));
        parameters.Add(Positions, new Shape(1, grid * grid, width), positions);
        _patches.Declare(parameters);
        _time0.Declare(parameters);
        _time2.Declare(parameters);
        parameters.Add(Labels, new Shape(Config.Labels, width), Initializer.Normal(0.02));
        foreach (var block in _blocks) block.Declare(parameters);
        _last.Declare(parameters);
        _lastModulation.Declare(parameters);
    }

    /// <inheritdoc/>
    public int PerturbableBlocks => _blocks.Length;

    /// <inheritdoc/>
    public Tensor Record(PlanBuilder b, Tensor x, Tensor timesteps, Tensor? labels, DropoutSource? dropout = null) =>
        Record(b, x, timesteps, labels, dropout, null);

    /// <inheritdoc/>
    public Tensor Record(PlanBuilder b, Tensor x, Tensor timesteps, Tensor? labels, Perturbation? perturbation) =>
        Record(b, x, timesteps, labels, null, perturbation);

    private Tensor Record(PlanBuilder b, Tensor x, Tensor timesteps, Tensor? labels, DropoutSource? dropout, Perturbation? perturbation)
    {
        if (x.Shape.Rank != 4 || x.Shape[1] != Config.InputSize || x.Shape[2] != Config.InputSize || x.Shape[3] != Config.InChannels)
            throw new ArgumentException($"This DiT takes latents [N,{Config.InputSize},{Config.InputSize},{Config.InChannels}]; got {x}.");
        if (labels is null) throw new ArgumentException($"This DiT has {Config.NumClasses} classes and needs labels.");

        var time = _time2.Record(b, b.Silu(_time0.Record(b, b.TimestepEmbedding(timesteps, TimeChannels, LongestPeriod))));
        var condition = b.Silu(b.Add(time, b.EmbeddingLookup(labels, b.Parameter(Labels))));
        var perturbed = BlockPerturbation.Of(perturbation, _blocks, _blocks.Length / 2, x.Shape.Batch, transformer: true);
        var context = new BlockContext(b, condition, dropout, perturbed);

        var h = b.AddShared(_patches.Record(b, x), b.Parameter(Positions));
        foreach (var block in _blocks) h = block.Record(context, h);
        b.Scope = "final_layer";
        var modulation = _lastModulation.Record(b, condition);
        Tensor shift = b.Slice(modulation, 0, Config.HiddenSize), scale = b.Slice(modulation, Config.HiddenSize, Config.HiddenSize);
        h = _last.Record(b, b.ModulatedLayerNorm(h, scale, shift, Epsilon));
        b.Scope = "";
        return b.Unpatchify(h, Config.PatchSize, Config.InputSize);
    }

    // The op divides the period evenly among all frequencies; with a shift the last of fewer has it.
    private double LongestPeriod => Config.FreqShift is { } shift ? Math.Pow(MaxPeriod, TimeChannels / 2 / (TimeChannels / 2 - shift)) : MaxPeriod;

    /// <summary>
    /// Element of the embedding of a token's place: the first half of the channels is that of the column, the second that of the row, each the sines
    /// and then the cosines of the number times 10000^(-j / (width/4)).
    /// </summary>
    internal static double Position(int grid, int width, int token, int channel)
    {
        int half = width / 2, quarter = width / 4, place = channel < half ? token % grid : token / grid, j = channel % half;
        double angle = place * Math.Pow(10000, -(double)(j % quarter) / quarter);
        return j < quarter ? Math.Sin(angle) : Math.Cos(angle);
    }
}
