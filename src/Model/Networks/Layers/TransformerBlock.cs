using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks.Layers;

/// <summary>Names of a transformer block's parameters, after the block's own.</summary>
/// <param name="QkvWeight">Weight of queries, keys and values together.</param>
/// <param name="QkvBias">Their bias.</param>
/// <param name="Projection">The layer after attention.</param>
/// <param name="Hidden">First layer of the perceptron.</param>
/// <param name="Last">Its second layer.</param>
/// <param name="Norms">The two normalisations, where they have parameters.</param>
/// <param name="Modulation">The layer that modulates them, where the block has one.</param>
internal sealed record TransformerKeys(
    string QkvWeight, string QkvBias, string Projection, string Hidden, string Last, (string First, string Second)? Norms = null, string? Modulation = null);

/// <summary>What the transformer blocks of a network have in common.</summary>
internal sealed record TransformerOptions
{
    public required TransformerKeys Keys { get; init; }

    /// <summary>Channels of the perceptron's hidden layer.</summary>
    public required int HiddenWidth { get; init; }

    public required int Heads { get; init; }

    public required double Epsilon { get; init; }

    /// <summary>That of the second normalisation, where it has no parameters and is another; null for the same.</summary>
    public double? SecondEpsilon { get; init; }

    /// <summary>Activation of the perceptron.</summary>
    public required Func<PlanBuilder, Tensor, Tensor> Activation { get; init; }

    /// <summary>Whether a token sees itself and those before it only.</summary>
    public bool Causal { get; init; }

    /// <summary>Start of the layers, except for the modulation, which starts as zero, so that the block passes its input on.</summary>
    public LayerInit Init { get; init; }
}

/// <summary>
/// Attention over tokens [N, T, Width] and a perceptron, each after a LayerNorm and around a residual. Where the keys name a modulation, it makes
/// of the condition a shift and a scale of each normalisation and a gate of each residual (adaLN-Zero; Peebles and Xie, arXiv 2212.09748).
/// </summary>
internal sealed class TransformerBlock : Block
{
    private readonly TransformerOptions _options;
    private readonly string _qkvWeight, _qkvBias;
    private readonly LinearLayer _projection, _hidden, _last;
    private readonly LayerNormLayer? _firstNorm, _secondNorm;
    private readonly LinearLayer? _modulation;

    public TransformerBlock(string name, int width, TransformerOptions options)
        : base(name)
    {
        (_options, Width) = (options, width);
        var keys = options.Keys;
        (_qkvWeight, _qkvBias) = ($"{name}.{keys.QkvWeight}", $"{name}.{keys.QkvBias}");
        _projection = new($"{name}.{keys.Projection}", width, width) { Init = options.Init };
        _hidden = new($"{name}.{keys.Hidden}", width, options.HiddenWidth) { Init = options.Init };
        _last = new($"{name}.{keys.Last}", options.HiddenWidth, width) { Init = options.Init };
        if (keys.Norms is var (first, second))
            (_firstNorm, _secondNorm) = (new($"{name}.{first}", width, options.Epsilon), new($"{name}.{second}", width, options.Epsilon));
        if (keys.Modulation is { } modulation) _modulation = new($"{name}.{modulation}", width, 6 * width) { Init = LayerInit.Zero };
    }

    public override int Width { get; }

    public override void Declare(Parameters parameters)
    {
        parameters.Add(_qkvWeight, new Shape(3 * Width, Width), _options.Init.Weight(Width, 3 * Width));
        parameters.Add(_qkvBias, new Shape(3 * Width), _options.Init.Bias(Width));
        _projection.Declare(parameters);
        _firstNorm?.Declare(parameters);
        _hidden.Declare(parameters);
        _last.Declare(parameters);
        _secondNorm?.Declare(parameters);
        _modulation?.Declare(parameters);
    }

    protected override Tensor RecordBlock(BlockContext context, Tensor x)
    {
        var b = context.Builder;
        var modulation = _modulation?.Record(b, context.Embedding ?? throw new ArgumentException($"Block {Name} needs a condition."));
        var perturbation = context.Perturbation;
        x = Branch(b, x, _firstNorm, modulation, 0, h => Skip(PerturbationKind.SkippedAttention, h, rows => Attend(b, rows, perturbation)));
        return Branch(b, x, _secondNorm, modulation, 3, h => Skip(PerturbationKind.SkippedFeedForward, h, rows => Perceive(b, rows)));

        Tensor Skip(PerturbationKind kind, Tensor h, Func<Tensor, Tensor> record) =>
            perturbation?.Is(kind, this) == true ? perturbation.Split(b, h, record, rows => rows) : record(h);
    }

    private Tensor Branch(PlanBuilder b, Tensor x, LayerNormLayer? norm, Tensor? modulation, int first, Func<Tensor, Tensor> record)
    {
        if (modulation is null) return b.Add(x, record(norm!.Record(b, x)));
        Tensor Chunk(int i) => b.Slice(modulation, (first + i) * Width, Width);
        var (shift, scale, gate) = (Chunk(0), Chunk(1), Chunk(2));
        return b.GatedAdd(x, gate, record(b.ModulatedLayerNorm(x, scale, shift, first == 0 ? _options.Epsilon : _options.SecondEpsilon ?? _options.Epsilon)));
    }

    private Tensor Attend(PlanBuilder b, Tensor h, BlockPerturbation? perturbation)
    {
        var qkv = b.Linear(h, b.Parameter(_qkvWeight), b.Parameter(_qkvBias));
        var attention = perturbation?.Attention(this, b, qkv, _options.Heads, QkvOrder.Split)
            ?? b.Attention(qkv, _options.Heads, QkvOrder.Split, causal: _options.Causal);
        return _projection.Record(b, attention);
    }

    private Tensor Perceive(PlanBuilder b, Tensor h) => _last.Record(b, _options.Activation(b, _hidden.Record(b, h)));
}
