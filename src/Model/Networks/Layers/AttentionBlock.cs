using System.Collections.Immutable;
using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks.Layers;

/// <summary>Names of an attention block's layers, after the block's own.</summary>
/// <param name="Norm">The normalisation.</param>
/// <param name="Qkv">One name for queries, keys and values together, or one for each.</param>
/// <param name="Projection">The last layer.</param>
internal sealed record AttentionKeys(string Norm, ImmutableArray<string> Qkv, string Projection);

/// <summary>What the attention blocks of a network have in common.</summary>
internal sealed record AttentionBlockOptions
{
    public required AttentionKeys Keys { get; init; }

    public required GroupNormOptions Norm { get; init; }

    /// <summary>Channel order of the queries, keys and values; <see cref="QkvOrder.Split"/> where each has a layer of its own.</summary>
    public QkvOrder Order { get; init; } = QkvOrder.Split;

    /// <summary>Multiplies the sum of branch and residual.</summary>
    public float ResidualScale { get; init; } = 1;

    /// <summary>Extents of the layers' weights in published files (<see cref="ConvLayer.PublishedRank"/>).</summary>
    public int PublishedRank { get; init; } = 4;

    /// <summary>Start of the layers of queries, keys and values.</summary>
    public LayerInit QkvInit { get; init; }

    /// <summary>Start of the last layer.</summary>
    public LayerInit LastInit { get; init; } = LayerInit.Zero;
}

/// <summary>Multi-head self-attention over the pixels after a GroupNorm, around a residual.</summary>
internal sealed class AttentionBlock : Block
{
    private readonly AttentionBlockOptions _options;
    private readonly int _heads;
    private readonly GroupNormLayer _norm;
    private readonly ConvLayer[] _qkv;
    private readonly ConvLayer _projection;

    public AttentionBlock(string name, int width, int heads, AttentionBlockOptions options)
        : base(name)
    {
        (_options, _heads, Width) = (options, heads, width);
        ConvLayer Layer(string key, int to, LayerInit init) => new($"{name}.{key}", width, to, 1) { PublishedRank = options.PublishedRank, Init = init };
        var keys = options.Keys;
        _norm = options.Norm.Layer($"{name}.{keys.Norm}", width);
        _qkv = [.. keys.Qkv.Select(key => Layer(key, 3 * width / keys.Qkv.Length, options.QkvInit))];
        _projection = Layer(keys.Projection, width, options.LastInit);
    }

    public override int Width { get; }

    public override void Declare(Parameters parameters)
    {
        _norm.Declare(parameters);
        foreach (var layer in _qkv) layer.Declare(parameters);
        _projection.Declare(parameters);
    }

    protected override Tensor RecordBlock(BlockContext context, Tensor x)
    {
        var b = context.Builder;
        var qkv = RecordQkv(b, x);
        var attention = context.Perturbation?.Attention(this, b, qkv, _heads, _options.Order) ?? b.Attention(qkv, _heads, _options.Order);
        var y = _projection.Record(b, attention, residual: x);
        return _options.ResidualScale == 1 ? y : b.Scale(y, _options.ResidualScale);
    }

    private Tensor RecordQkv(PlanBuilder b, Tensor x)
    {
        if (_qkv.Length == 1) return _qkv[0].Record(b, x, norm: _norm.OnTheWayIn(b));
        var normalised = _norm.Record(b, x);
        return _qkv.Select(layer => layer.Record(b, normalised)).Aggregate(b.Concat);
    }
}
