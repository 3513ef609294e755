using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks.Layers;

/// <summary>Names of a residual block's layers, after the block's own.</summary>
internal sealed record ResBlockKeys(string Norm1, string Conv1, string Embedding, string Norm2, string Conv2, string Skip);

/// <summary>What the residual blocks of a network have in common.</summary>
internal sealed record ResBlockOptions
{
    public required ResBlockKeys Keys { get; init; }

    public required GroupNormOptions Norm { get; init; }

    /// <summary>Width of the embedding of time and condition; null for blocks without one.</summary>
    public int? EmbeddingWidth { get; init; }

    /// <summary>Whether the embedding scales and shifts the second normalisation (true) or is added before it.</summary>
    public bool ScaleShift { get; init; }

    /// <summary>Dropout probability before the second convolution.</summary>
    public double Dropout { get; init; }

    /// <summary>Multiplies the sum of branch and residual.</summary>
    public float ResidualScale { get; init; } = 1;

    /// <summary>Whether the residual of a block that resamples has a convolution even when the width stays.</summary>
    public bool ProjectResampled { get; init; }

    /// <summary>Filter of the resampling along either axis, sum 1; null for the mean of 2 x 2 pixels and its opposite.</summary>
    public double[]? Filter { get; init; }

    /// <summary>Start of every layer but the second convolution.</summary>
    public LayerInit Init { get; init; }

    /// <summary>Start of the second convolution.</summary>
    public LayerInit LastInit { get; init; } = LayerInit.Zero;
}

/// <summary>
/// Two 3x3 convolutions, each after GroupNorm and SiLU, around a residual. The embedding enters at the second normalisation; resampling happens
/// between the first SiLU and its convolution, and on the residual.
/// </summary>
internal sealed class ResBlock : Block
{
    private readonly ResBlockOptions _options;
    private readonly Resampling _resampling;
    private readonly GroupNormLayer _norm1, _norm2;
    private readonly ConvLayer _conv1, _conv2;
    private readonly ConvLayer? _skip;
    private readonly LinearLayer? _embedding;

    public ResBlock(string name, int from, int to, ResBlockOptions options, Resampling resampling = Resampling.None)
        : base(name)
    {
        (_options, _resampling, From, Width) = (options, resampling, from, to);
        string Key(string layer) => $"{name}.{layer}";
        var keys = options.Keys;
        _norm1 = options.Norm.Layer(Key(keys.Norm1), from);
        _conv1 = new ConvLayer(Key(keys.Conv1), from, to, 3) { Init = options.Init };
        if (options.EmbeddingWidth is { } width)
            _embedding = new LinearLayer(Key(keys.Embedding), width, options.ScaleShift ? 2 * to : to) { Init = options.Init };
        _norm2 = options.Norm.Layer(Key(keys.Norm2), to);
        _conv2 = new ConvLayer(Key(keys.Conv2), to, to, 3) { Init = options.LastInit };
        if (from != to || (options.ProjectResampled && resampling != Resampling.None))
            _skip = new ConvLayer(Key(keys.Skip), from, to, 1) { Init = options.Init };
    }

    /// <summary>Channels read.</summary>
    public int From { get; }

    public override int Width { get; }

    public override void Declare(Parameters parameters)
    {
        _norm1.Declare(parameters);
        _conv1.Declare(parameters);
        _embedding?.Declare(parameters);
        _norm2.Declare(parameters);
        _conv2.Declare(parameters);
        _skip?.Declare(parameters);
    }

    protected override Tensor RecordBlock(BlockContext context, Tensor x)
    {
        var b = context.Builder;
        var embedding = _embedding?.Record(b, context.Embedding
            ?? throw new ArgumentException($"Block '{Name}' takes an embedding of {_options.EmbeddingWidth} channels, and none is given."));
        var added = _options.ScaleShift ? null : embedding;
        var scaleShift = _options.ScaleShift ? embedding : null;
        var h = _resampling == Resampling.None
            ? _conv1.Record(b, x, added, norm: _norm1.OnTheWayIn(b, silu: true))
            : _conv1.Record(b, _resampling.Record(b, _norm1.Record(b, x, silu: true), _options.Filter), added);
        var residual = _resampling.Record(b, x, _options.Filter);
        if (_skip is not null) residual = _skip.Record(b, residual);
        h = _options.Dropout > 0 && b.Training
            ? _conv2.Record(b, RecordDropout(context, _norm2.Record(b, h, scaleShift, silu: true)), residual: residual)
            : _conv2.Record(b, h, residual: residual, norm: _norm2.OnTheWayIn(b, scaleShift, silu: true));
        return _options.ResidualScale == 1 ? h : b.Scale(h, _options.ResidualScale);
    }

    private Tensor RecordDropout(BlockContext context, Tensor h)
    {
        var source = context.Dropout ?? throw new ArgumentException($"A network that trains with dropout {_options.Dropout} needs a source of random numbers.");
        return context.Builder.Dropout(h, (float)_options.Dropout, source.Seed, source.Step, source.SampleIndex);
    }
}
