using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

/// <summary>A value of a plan that is being recorded: a shape and a name now, memory once the plan is built.</summary>
public sealed class Tensor
{
    internal Tensor(Shape shape, string name, TensorKind kind) => (Shape, Name, Kind) = (shape, name, kind);

    /// <summary>Extents, outermost first.</summary>
    public Shape Shape { get; }

    /// <summary>Name for descriptions and errors.</summary>
    public string Name { get; internal set; }

    /// <summary>Where the elements lie. Only valid once the plan is built (for bound tensors at once).</summary>
    /// <exception cref="InvalidOperationException">The plan is not built yet.</exception>
    public TensorView View
    {
        get => AliasOf is { } root
            ? new TensorView(root.View.Memory!, root.View.Offset + AliasStart, Shape)
            : _view.IsEmpty ? throw new InvalidOperationException($"Tensor {this} has no memory until its plan is built.") : _view;
        internal set => _view = value;
    }

    /// <summary>Element count.</summary>
    public long Count => Shape.Count;

    internal TensorKind Kind { get; }

    /// <summary>The builder that made it; that of an alias is its root's.</summary>
    internal PlanBuilder? Builder { get; init; }

    /// <summary>The tensor whose elements this one shows, in another shape or some of its rows, or null. Never itself an alias.</summary>
    internal Tensor? AliasOf { get; private init; }

    /// <summary>The first element of <see cref="AliasOf"/> that is shown.</summary>
    private long AliasStart { get; init; }

    /// <summary>The tensor that has the memory: <see cref="AliasOf"/>, or this one.</summary>
    internal Tensor Root => AliasOf ?? this;

    /// <summary>The same elements under another shape. Steps that touch the alias keep the root alive.</summary>
    internal Tensor Alias(Shape shape) => new(shape, Name, Kind) { AliasOf = Root, AliasStart = AliasStart };

    /// <summary>Batch rows <paramref name="start"/> to <paramref name="start"/> + <paramref name="count"/> - 1, in their place.</summary>
    internal Tensor AliasRows(int start, int count) =>
        new(Shape.WithBatch(count), Name, Kind) { AliasOf = Root, AliasStart = AliasStart + start * Shape.RowCount };

    /// <summary>The tensor whose rows these are, gathered by <see cref="GatherRow"/>; null for any other tensor.</summary>
    internal Tensor? GatheredFrom { get; init; }

    /// <summary>Row numbers of <see cref="GatheredFrom"/>.</summary>
    internal Tensor? GatherRow { get; init; }

    /// <summary>Whether an op was recorded on the rows before gathering in place of these, so that they have only a part of their gradient.</summary>
    internal bool IsBypassed { get; set; }

    /// <summary>Whether the rows are still to be copied, which the first step that reads them causes.</summary>
    internal bool IsPending { get; set; }

    /// <summary>The parameter whose values this tensor is, or null.</summary>
    internal Parameter? Parameter { get; init; }

    /// <summary>The weights that the parameter belongs to, or null.</summary>
    internal Parameters? Owner { get; init; }

    /// <summary>Whether this is a parameter in a kernel's own layout, which all plans share and whichever comes first makes.</summary>
    internal bool IsPacked { get; init; }

    /// <summary>Whether a gradient towards one of the asked-for leaves flows through this tensor.</summary>
    internal bool NeedsGradient { get; set; }

    /// <summary>First and last step that touch it, for the planner.</summary>
    internal int FirstStep { get; set; } = int.MaxValue;

    internal int LastStep { get; set; } = -1;

    private TensorView _view;

    /// <summary>Name and shape, for example <c>h[N=2,H=16,W=16,C=64]</c>.</summary>
    public override string ToString() => Name + Shape;
}

/// <summary>Who owns a tensor's memory.</summary>
internal enum TensorKind
{
    /// <summary>Planned: alive from its first to its last step.</summary>
    Temporary,

    /// <summary>Planned, and alive for the whole plan: inputs and outputs.</summary>
    Persistent,

    /// <summary>Memory that was given: parameters, states, packed weights.</summary>
    Bound,
}
