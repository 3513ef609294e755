using NativeDiffusion.Kernels;
using NativeDiffusion.Onnx.Graphs;

namespace NativeDiffusion.Onnx.Recording;

// Operators that move elements and compute nothing.
internal sealed partial class GraphRecorder
{
    private static IEnumerable<KeyValuePair<string, Func<GraphRecorder, OnnxNode, Value?[], Value[]>>> Arrangements =>
    [
        new("Reshape", (r, n, x) => [r.Reshaped(n, x[0]!, r.ImagesOf(n, x[0]!, Required(n, x, 1, "shape").Integers()))]),
        new("Flatten", (r, n, x) => [r.Reshaped(n, x[0]!, Shapes.Flattened(n, x[0]!.Dims))]),
        new("Squeeze", (r, n, x) => [r.Reshaped(n, x[0]!, Shapes.Squeezed(n, x[0]!.Dims, Optional(n, x, 1, "list of axes")))]),
        new("Unsqueeze", (r, n, x) => [r.Reshaped(n, x[0]!, Shapes.Unsqueezed(n, x[0]!.Dims, Optional(n, x, 1, "list of axes")))]),
        new("Transpose", (r, n, x) => [r.Transposed(n, x[0]!, Shapes.Transposition(n, x[0]!.Rank))]),
        new("Concat", (r, n, x) => [r.Concatenated(n, x)]),
        new("Slice", (r, n, x) => [r.Sliced(n, x)]),
        new("Split", (r, n, x) =>
        {
            int axis = x[0]!.Axis(n, n.Integer("axis", 0));
            return [.. Shapes.Splits(n, x[0]!.Dims[axis], Optional(n, x, 1, "list of parts")).Select(part => r.Part(n, x[0]!, axis, part.Start, part.Count))];
        }),
        new("Gather", (r, n, x) => [r.Gathered(n, x[0]!, Required(n, x, 1, "list of indices"))]),
        new("Expand", (r, n, x) => [r.Expanded(n, x[0]!, [.. Required(n, x, 1, "shape").Integers().Select(v => checked((int)v))])]),
        new("Tile", (r, n, x) =>
        {
            int[] times = [.. Required(n, x, 1, "repeats").Integers().Select(v => checked((int)v))];
            var value = x[0]!;
            for (int axis = 0; axis < value.Rank; axis++)
                if (times[axis] != 1)
                    value = r.Picked(n, value, axis, [.. Enumerable.Range(0, checked(value.Dims[axis] * times[axis])).Select(i => i % x[0]!.Dims[axis])]);
            return [value];
        }),
        new("Pad", (r, n, x) => [r.Padded(n, x)]),
        new("DepthToSpace", (r, n, x) => [r.BetweenDepthAndSpace(n, x[0]!, toSpace: true)]),
        new("SpaceToDepth", (r, n, x) => [r.BetweenDepthAndSpace(n, x[0]!, toSpace: false)]),
        new("Cast", (_, _, x) => [x[0]!]),
        new("CastLike", (_, _, x) => [x[0]!]),
        new("Dropout", (_, n, x) => x.ElementAtOrDefault(2)?.Constant is { } training && training.Integers()[0] != 0 ? throw n.Error("it is to drop values as in training; export the graph for inference") : [x[0]!]),
    ];

    /// <summary>The shape of a Reshape, for as many images: the file has it for one.</summary>
    private int[] ImagesOf(OnnxNode node, Value x, long[] wanted)
    {
        if (ImagesForOne > 1 && x.HasImages && wanted.Length > 0 && wanted[0] > 0
            && wanted.All(extent => extent > 0) && wanted.Aggregate(1L, (product, extent) => product * extent) * ImagesForOne == x.Count)
            wanted = [wanted[0] * ImagesForOne, .. wanted[1..]];
        if (ImagesForOne > 1 && wanted is [1, ..] && wanted.Contains(-1)) wanted = [ImagesForOne, .. wanted[1..]];
        return Shapes.Reshaped(node, x.Dims, wanted);
    }

    /// <summary>Other extents of the same elements. Where groups of axes that lie together become others, nothing is moved.</summary>
    private Value Reshaped(OnnxNode node, Value x, int[] dims)
    {
        if (x.Constant is { } constant) return Value.Of(x.Name, constant.WithDims(dims));
        bool images = x.HasImages && x.Rank > 0 && dims.Length > 0 && dims[0] % x.Dims[0] == 0;
        if (x.HasImages && !images && ImagesForOne > 1) throw node.Error("it mixes the images of a batch");
        var groups = Shapes.Groups(x.Dims, dims);
        // Where each group of source axes begins, if its axes lie in a row.
        var placed = new List<(int Place, Range To)>();
        int[] order = [.. x.Order.Where(axis => x.Dims[axis] != 1)];
        foreach (var (from, to) in groups)
        {
            int[] axes = [.. Ascending(x.Rank)[from].Where(axis => x.Dims[axis] != 1)];
            int place = axes.Length == 0 ? int.MaxValue : Array.IndexOf(order, axes[0]);
            if (axes.Length > 0 && !order.AsSpan(place).StartsWith(axes)) return Result(node, Plain(x), dims, images);
            placed.Add((place, to));
        }
        int[] newOrder = [.. placed.OrderBy(group => group.Place).SelectMany(group => Ascending(dims.Length)[group.To])];
        return Result(node, x.Tensor!, dims, newOrder, images);
    }

    private Value Transposed(OnnxNode node, Value x, int[] axes)
    {
        if (x.Constant is not null) x = Laid(x, Ascending(x.Rank));
        bool images = x.HasImages && axes is [0, ..];
        if (x.HasImages && !images && ImagesForOne > 1) throw node.Error("it mixes the images of a batch");
        return Result(node, x.Tensor!, [.. axes.Select(axis => x.Dims[axis])], [.. x.Order.Select(axis => Array.IndexOf(axes, axis))], images);
    }

    private Value Concatenated(OnnxNode node, Value?[] x)
    {
        var lead = x.FirstOrDefault(v => v!.Constant is null) ?? x[0]!;
        int axis = lead.Axis(node, node.Integer("axis", 0));
        int[] order = lead.Constant is null ? lead.Order : Ascending(lead.Rank);
        KeepImagesApart(node, lead, axis);
        var parts = x.Select(value =>
        {
            if (value!.Rank != lead.Rank) throw node.Error($"{value} and {lead} differ in their number of axes");
            // A constant for one image, such as a transformer's class token, is that of each.
            if (ImagesForOne > 1 && lead.HasImages && !value.HasImages && value.Dims[0] == 1) value = Repeated(node, value, 0, lead.Dims[0]);
            if (value.Dims.Where((extent, i) => i != axis && extent != lead.Dims[i]).Any()) throw node.Error($"{value} and {lead} differ in more than the axis that they are joined along");
            return Laid(value, order);
        }).ToList();
        int place = Array.IndexOf(order, axis);
        int[] laid = lead.Laid() is { Length: > 0 } known ? known : lead.Dims, dims = [.. lead.Dims];
        int outer = Product(laid[..place]), inner = Product(laid[(place + 1)..]);
        dims[axis] = parts.Sum(v => v.Dims[axis]);
        var tensors = parts.Select(v => _b.Reshape(v.Tensor!, new Shape(outer, checked(v.Dims[axis] * inner)))).ToList();
        // In pairs, so that no element is copied more often than needed.
        while (tensors.Count > 1) tensors = [.. tensors.Chunk(2).Select(pair => pair.Length == 2 ? _b.Concat(pair[0], pair[1]) : pair[0])];
        return Result(node, tensors[0], dims, order, lead.HasImages);
    }

    private Value Sliced(OnnxNode node, Value?[] x)
    {
        int[][] taken = Shapes.Slices(node, x[0]!.Dims, [null, .. x.Skip(1).Select((v, i) => v is null ? null : Required(node, x, i + 1, "range"))]);
        var value = x[0]!;
        for (int axis = 0; axis < taken.Length; axis++)
        {
            if (taken[axis].Length == 0) throw node.Error($"nothing is left of axis {axis} of {value}");
            if (taken[axis].Length != value.Dims[axis] || taken[axis][0] != 0) value = Picked(node, value, axis, taken[axis]);
        }
        return value;
    }

    private Value Gathered(OnnxNode node, Value x, Constant indices)
    {
        int axis = x.Axis(node, node.Integer("axis", 0)), extent = x.Dims[axis];
        int[] numbers = [.. indices.Integers().Select(i => i >= -extent && i < extent ? (int)(i < 0 ? i + extent : i) : throw node.Error($"there is no element {i} of {extent}"))];
        if (numbers.Length == 0) throw node.Error("it takes no elements");
        var picked = Picked(node, x, axis, numbers);
        return Reshaped(node, picked, [.. x.Dims[..axis], .. indices.Dims, .. x.Dims[(axis + 1)..]]);
    }

    private Value Expanded(OnnxNode node, Value x, int[] wanted)
    {
        int[] dims = Shapes.Broadcast(node, x.Dims, wanted);
        var value = WithRank(x, dims.Length);
        for (int axis = 0; axis < dims.Length; axis++)
            if (value.Dims[axis] != dims[axis])
                value = Repeated(node, value, axis, dims[axis]);
        return value;
    }

    private Value Padded(OnnxNode node, Value?[] x)
    {
        var value = x[0]!;
        string mode = node.Text("mode", "constant");
        long[] pads = node.Integers("pads") ?? Required(node, x, 1, "list of paddings").Integers();
        float filler = node.Real("value", 0);
        if (Optional(node, x, 2, "filler") is { } constant) filler = constant.Reals()[0];
        int[] axes = Optional(node, x, 3, "list of axes") is { } list ? [.. list.Integers().Select(a => value.Axis(node, a))] : Ascending(value.Rank);
        if (pads.Length != 2 * axes.Length) throw node.Error($"{pads.Length} paddings do not go with {axes.Length} axes");
        if (mode == "constant" && filler != 0 && pads.Any(p => p > 0)) throw node.Error($"it pads by {filler}, and 0 is recorded; subtract it before and add it behind");
        for (int i = 0; i < axes.Length; i++)
        {
            int extent = value.Dims[axes[i]], before = checked((int)pads[i]), after = checked((int)pads[i + axes.Length]);
            if (before == 0 && after == 0) continue;
            int count = extent + before + after;
            if (count < 1) throw node.Error($"nothing is left of axis {axes[i]} of {value}");
            RequireTable(node, extent, count);
            value = Along(node, value, axes[i], ResampleTable.FromWeights(extent, count, to =>
            {
                double[] row = new double[extent];
                int from = to - before;
                from = mode switch
                {
                    "constant" => from,
                    "edge" => Math.Clamp(from, 0, extent - 1),
                    "wrap" => (from % extent + extent) % extent,
                    "reflect" => Reflected(from, extent),
                    _ => throw node.Error($"it pads in the mode '{mode}'; constant, edge, wrap and reflect are recorded"),
                };
                if (from >= 0 && from < extent) row[from] = 1;
                return row;
            }));
        }
        return value;
    }

    private static int Reflected(int at, int extent)
    {
        if (extent == 1) return 0;
        int period = 2 * (extent - 1);
        at = (at % period + period) % period;
        return at < extent ? at : period - at;
    }

    private Value BetweenDepthAndSpace(OnnxNode node, Value x, bool toSpace)
    {
        int block = checked((int)node.Integer("blocksize", 1)), n = x.Dims[0], c = x.Dims[1], h = x.Dims[2], w = x.Dims[3];
        if (block < 1 || (toSpace ? c % (block * block) : Math.Max(h % block, w % block)) != 0) throw node.Error($"blocks of {block} do not divide {x}");
        if (!toSpace)
        {
            var parts = Reshaped(node, x, [n, c, h / block, block, w / block, block]);
            return Reshaped(node, Transposed(node, parts, [0, 3, 5, 1, 2, 4]), [n, c * block * block, h / block, w / block]);
        }
        bool depthFirst = node.Text("mode", "DCR") == "DCR";
        int depth = c / (block * block);
        var split = Reshaped(node, x, depthFirst ? [n, block, block, depth, h, w] : [n, depth, block, block, h, w]);
        return Reshaped(node, Transposed(node, split, depthFirst ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3]), [n, depth, h * block, w * block]);
    }
}
