using NativeDiffusion.Kernels;
using NativeDiffusion.Onnx.Graphs;

namespace NativeDiffusion.Onnx.Recording;

internal sealed partial class GraphRecorder
{
    private static IEnumerable<KeyValuePair<string, Func<GraphRecorder, OnnxNode, Value?[], Value[]>>> Reductions =>
    [
        Reduction("ReduceMean", (r, n, x, axes, keep) => r.Averaged(n, x, axes, keep, mean: true)),
        Reduction("ReduceSum", (r, n, x, axes, keep) => r.Averaged(n, x, axes, keep, mean: false)),
        Reduction("ReduceMax", (r, n, x, axes, keep) => r.Extreme(n, x, axes, keep, PairFunction.Max)),
        Reduction("ReduceMin", (r, n, x, axes, keep) => r.Extreme(n, x, axes, keep, PairFunction.Min)),
        Reduction("ReduceSumSquare", (r, n, x, axes, keep) => r.Averaged(n, r.Paired(n, PairFunction.Multiply, x, x), axes, keep, mean: false)),
        Reduction("ReduceL2", (r, n, x, axes, keep) => r.Mapped(n, r.Averaged(n, r.Paired(n, PairFunction.Multiply, x, x), axes, keep, mean: false), t => r._b.Apply(ElementFunction.Sqrt, t))),
        Reduction("ReduceL1", (r, n, x, axes, keep) => r.Averaged(n, r.Mapped(n, x, t => r._b.Apply(ElementFunction.Abs, t)), axes, keep, mean: false)),
    ];

    private static KeyValuePair<string, Func<GraphRecorder, OnnxNode, Value?[], Value[]>> Reduction(string name, Func<GraphRecorder, OnnxNode, Value, int[], bool, Value> reduce) =>
        new(name, (r, n, x) => [reduce(r, n, x[0]!, Shapes.ReducedAxes(n, x[0]!.Rank, Optional(n, x, 1, "list of axes")), n.Integer("keepdims", 1) != 0)]);

    /// <summary>Sums or means over axes, one after the other; those of a whole image at once.</summary>
    private Value Averaged(OnnxNode node, Value x, int[] axes, bool keep, bool mean)
    {
        foreach (int axis in axes) KeepImagesApart(node, x, axis);
        var value = x.Constant is null ? x : Laid(x, Ascending(x.Rank));
        if (mean && x.Rank == 4 && axes is [2, 3] && Product(x.Dims.AsSpan(2)) > 1 && value.Order.SequenceEqual(ChannelsLast(4)))
        {
            int[] dims = [x.Dims[0], x.Dims[1], 1, 1];
            value = Result(node, _b.GlobalAveragePool(Images(value)), dims, ChannelsLast(4), x.HasImages);
        }
        else
            foreach (int axis in axes)
            {
                int extent = value.Dims[axis];
                if (extent > 1) value = Along(node, value, axis, ResampleTable.FromWeights(extent, 1, _ => [.. Enumerable.Repeat(mean ? 1.0 / extent : 1.0, extent)]));
            }
        return Dropped(node, value, axes, keep);
    }

    /// <summary>The largest or smallest along axes: the first half against the second, until one is left.</summary>
    private Value Extreme(OnnxNode node, Value x, int[] axes, bool keep, PairFunction function)
    {
        var value = x.Constant is null ? x : Laid(x, Ascending(x.Rank));
        foreach (int axis in axes)
        {
            KeepImagesApart(node, x, axis);
            while (value.Dims[axis] > 1)
            {
                int extent = value.Dims[axis], half = (extent + 1) / 2;
                // Of an odd number, the one in the middle is on both sides.
                value = Paired(node, function, Part(node, value, axis, 0, half), Part(node, value, axis, extent - half, half));
            }
        }
        return Dropped(node, value, axes, keep);
    }

    private Value Dropped(OnnxNode node, Value value, int[] axes, bool keep) =>
        keep ? Result(node, value.Tensor!, value.Dims, value.Order, value.HasImages) : Reshaped(node, value, [.. value.Dims.Where((_, axis) => !axes.Contains(axis))]);
}
