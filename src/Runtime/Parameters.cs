using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

/// <summary>
/// The trainable state of a model: all parameters in one flat buffer, and, once asked for, their gradients and AdamW moments in buffers of
/// the same layout. Plans of every batch size share it. Parameters start on 64-byte boundaries; the gaps between them stay zero.
/// </summary>
/// <remarks>
/// Any number of threads may read it at once, and plans that only read weights do. Who changes values (a training step, an upload, a copy) does so
/// alone: it, or whoever comes meanwhile, gets an <see cref="InvalidOperationException"/>, and so does whoever disposes what is in use.
/// </remarks>
public sealed class Parameters : IDisposable
{
    private const int AlignmentFloats = 16;
    private const int CopyWindow = 1 << 20;

    private readonly IKernels _kernels;
    private readonly List<Parameter> _items = [];
    private readonly Dictionary<string, Parameter> _byName = [];
    private readonly Dictionary<(Parameter, string), PackedWeight> _packs = [];
    private readonly Lock _growth = new();
    private DeviceMemory? _values, _gradients, _firstMoment, _secondMoment;
    private long _length;

    /// <summary>An empty set on the device of <paramref name="kernels"/>.</summary>
    public Parameters(IKernels kernels)
        : this(kernels, nameof(Runtime.Parameters)) { }

    /// <summary>An empty set that belongs to another object, under whose name its users know it.</summary>
    internal Parameters(IKernels kernels, string owner) =>
        (_kernels, Guard) = (kernels, new UseGuard(owner, "Its weights are read by any number of calls at once, or changed by one; let one end before the other starts."));

    /// <summary>Who uses the weights, and whatever else is kept beside them.</summary>
    internal UseGuard Guard { get; }

    /// <summary>The device that they lie on.</summary>
    public IKernels Kernels => _kernels;

    /// <summary>The parameters in order of declaration.</summary>
    public IReadOnlyList<Parameter> Items => _items;

    /// <summary>Number of trainable elements, without the padding between parameters.</summary>
    public long Count => _items.Sum(p => p.Shape.Count);

    /// <summary>Bytes of device memory that values, gradients, moments and packed weights take so far.</summary>
    internal long Bytes => sizeof(float) * (new[] { _values, _gradients, _firstMoment, _secondMoment }.Sum(m => m?.Length ?? 0) + _packs.Values.Sum(p => p.Memory.Length));

    /// <summary>Elements of the flat buffers, from the first, that training leaves alone: tables.</summary>
    internal long FixedLength { get; private set; }

    /// <summary>Grows by one each time values may have changed; packed weights are redone when it differs.</summary>
    public long Version { get; private set; } = 1;

    /// <summary>All values as one vector (the padding included).</summary>
    public TensorView Values => Flat(ref _values);

    /// <summary>All gradients as one vector.</summary>
    public TensorView Gradients => Flat(ref _gradients);

    /// <summary>AdamW's first moment, laid out as <see cref="Values"/>.</summary>
    public TensorView FirstMoment => Flat(ref _firstMoment);

    /// <summary>AdamW's second moment, laid out as <see cref="Values"/>.</summary>
    public TensorView SecondMoment => Flat(ref _secondMoment);

    /// <summary>The parameter of that name.</summary>
    /// <exception cref="KeyNotFoundException">No such parameter.</exception>
    public Parameter this[string name] => _byName.TryGetValue(name, out var parameter)
        ? parameter
        : throw new KeyNotFoundException($"No parameter '{name}' among {_items.Count}.");

    /// <summary>Whether a parameter of that name exists.</summary>
    public bool Contains(string name) => _byName.ContainsKey(name);

    /// <summary>Declares a parameter. All are declared before the values are first touched.</summary>
    /// <param name="name">Key in checkpoints.</param>
    /// <param name="shape">Extents here: [Cout, Kh, Kw, Cin] for a convolution's weight.</param>
    /// <param name="initializer">How training starts it.</param>
    /// <param name="publishedShape">Extents in published checkpoints where they are not the same (a convolution's are derived).</param>
    /// <exception cref="ArgumentException">The name is taken.</exception>
    /// <exception cref="InvalidOperationException">The buffers exist already.</exception>
    public Parameter Add(string name, Shape shape, Initializer initializer = default, params int[] publishedShape)
    {
        if (_values is not null) throw new InvalidOperationException($"Parameter '{name}' was declared after the values were allocated.");
        bool isFixed = initializer.Distribution == InitialDistribution.Table;
        if (isFixed && FixedLength < _length) throw new InvalidOperationException($"Table '{name}' was declared after parameters that are trained.");
        if (publishedShape.Length == 0)
            publishedShape = shape.Rank == 4
                ? [shape[0], shape[3], shape[1], shape[2]]
                : [.. Enumerable.Range(0, shape.Rank).Select(i => shape[i])];
        var parameter = new Parameter(name, shape, _length, initializer, publishedShape);
        if (!_byName.TryAdd(name, parameter)) throw new ArgumentException($"Parameter '{name}' is declared twice.", nameof(name));
        _items.Add(parameter);
        _length += (shape.Count + AlignmentFloats - 1) / AlignmentFloats * AlignmentFloats;
        if (isFixed) FixedLength = _length;
        return parameter;
    }

    /// <summary>Values of one parameter.</summary>
    public TensorView ValueOf(Parameter parameter) => new(Values.Memory!, parameter.Offset, parameter.Shape);

    /// <summary>Gradient of one parameter.</summary>
    public TensorView GradientOf(Parameter parameter) => new(Gradients.Memory!, parameter.Offset, parameter.Shape);

    /// <summary>Says that values changed, so that packed weights are redone. The optimiser, checkpoints and initialisers call it.</summary>
    public void MarkChanged() => Version++;

    /// <summary>A second set with the same layout and a copy of the values: an exponential moving average, or the weights of an older step.</summary>
    public Parameters Clone()
    {
        var clone = new Parameters(_kernels);
        foreach (var p in _items) clone.Add(p.Name, p.Shape, p.Initializer, [.. p.PublishedShape]);
        clone.CopyValuesFrom(this);
        return clone;
    }

    /// <summary>Copies all values from a set with the same layout.</summary>
    /// <exception cref="ArgumentException">The layouts differ.</exception>
    /// <exception cref="InvalidOperationException">A plan uses these weights, or changes those.</exception>
    public void CopyValuesFrom(Parameters other)
    {
        if (other._items.Count != _items.Count)
            throw new ArgumentException($"Layouts differ: {other._items.Count} and {_items.Count} parameters.", nameof(other));
        foreach (var (theirs, ours) in other._items.Zip(_items))
            if (theirs.Name != ours.Name || theirs.Shape != ours.Shape)
                throw new ArgumentException($"Layouts differ: '{theirs.Name}' {theirs.Shape} stands where '{ours.Name}' {ours.Shape} is.", nameof(other));
        using var theirUse = other.Guard.Read();
        using var ourUse = Guard.Write();
        float[] window = new float[Math.Min(_length, CopyWindow)];
        for (long first = 0; first < _length; first += window.Length)
        {
            Span<float> piece = window.AsSpan(0, (int)Math.Min(window.Length, _length - first));
            var shape = new Shape(piece.Length);
            other._kernels.Download(new TensorView(other.Values.Memory!, first, shape), piece);
            _kernels.Upload(piece, new TensorView(Values.Memory!, first, shape));
        }
        MarkChanged();
    }

    /// <summary>A persistent buffer of <paramref name="length"/> elements derived from a parameter, one per <paramref name="layout"/>.</summary>
    internal PackedWeight Pack(Parameter parameter, string layout, long length)
    {
        lock (_growth)
        {
            if (!_packs.TryGetValue((parameter, layout), out var pack))
                _packs[(parameter, layout)] = pack = new PackedWeight(Allocate(length), length);
            return pack;
        }
    }

    /// <summary>Frees the device memory.</summary>
    /// <exception cref="InvalidOperationException">A plan uses it.</exception>
    public void Dispose()
    {
        Guard.End();
        lock (_growth)
        {
            // One guard for all: when the first was freed, nobody uses the others.
            foreach (var memory in new[] { _values, _gradients, _firstMoment, _secondMoment }.Concat(_packs.Values.Select(p => p.Memory))) memory?.Dispose();
            _packs.Clear();
        }
    }

    private TensorView Flat(ref DeviceMemory? memory)
    {
        if (_length == 0) throw new InvalidOperationException("No parameter was declared.");
        if (memory is null)
            lock (_growth)
                memory ??= Allocate(_length);
        return new(memory, 0, new Shape(checked((int)_length)));
    }

    private DeviceMemory Allocate(long length)
    {
        Guard.ThrowIfEnded();
        var memory = _kernels.Allocate(length);
        memory.Guard = Guard;
        return memory;
    }
}

/// <summary>A parameter in a kernel's own layout, and the version of the values that it was made from.</summary>
internal sealed class PackedWeight(DeviceMemory memory, long length)
{
    public DeviceMemory Memory { get; } = memory;

    public TensorView View { get; } = new(memory, 0, new Shape(checked((int)length)));

    public long Version { get; set; }
}
