using NativeDiffusion.Onnx.Graphs;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Onnx.Recording;

/// <summary>
/// A value of the graph while it is recorded: a constant, or a tensor whose elements may lie in another order of axes than the graph's. So images stay with
/// their channels last, and a transposition is a note.
/// </summary>
internal sealed class Value
{
    private Value(string name, int[] dims) => (Name, Dims) = (name, dims);

    public string Name { get; }

    /// <summary>Extents in the graph's order of axes.</summary>
    public int[] Dims { get; }

    public int Rank => Dims.Length;

    public Constant? Constant { get; private init; }

    /// <summary>The elements, under any shape of their number; null for constants.</summary>
    public Tensor? Tensor { get; private init; }

    /// <summary>The axes as the elements lie, outermost first.</summary>
    public int[] Order { get; private init; } = [];

    /// <summary>Whether the first axis is that of the images.</summary>
    public bool HasImages { get; private init; }

    public long Count => Dims.Aggregate(1L, (product, extent) => product * extent);

    public static Value Of(string name, Constant constant) => new(name, constant.Dims) { Constant = constant };

    public static Value Of(string name, Tensor tensor, int[] dims, int[] order, bool hasImages) =>
        new(name, dims) { Tensor = tensor, Order = order, HasImages = hasImages };

    /// <summary>The extents in the order of the elements.</summary>
    public int[] Laid() => [.. Order.Select(axis => Dims[axis])];

    /// <summary>An axis counted from the end where it is negative.</summary>
    public int Axis(OnnxNode node, long axis) => axis >= -Rank && axis < Rank
        ? (int)(axis < 0 ? axis + Rank : axis)
        : throw node.Error($"axis {axis} of {this} does not exist");

    public override string ToString() => $"'{Name}' [{string.Join(", ", Dims)}]";
}
