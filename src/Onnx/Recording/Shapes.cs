using NativeDiffusion.Onnx.Graphs;

namespace NativeDiffusion.Onnx.Recording;

/// <summary>What operators say of extents, for constants and tensors alike.</summary>
internal static class Shapes
{
    public static int Axis(OnnxNode node, long axis, int rank) => axis >= -rank && axis < rank
        ? (int)(axis < 0 ? axis + rank : axis)
        : throw node.Error($"axis {axis} does not exist among {rank}");

    /// <summary>Extents of which each is that of both, or of one where the other is 1.</summary>
    public static int[] Broadcast(OnnxNode node, int[] a, int[] b)
    {
        int rank = Math.Max(a.Length, b.Length);
        int[] dims = new int[rank];
        for (int i = 0; i < rank; i++)
        {
            int left = i < rank - a.Length ? 1 : a[i - rank + a.Length], right = i < rank - b.Length ? 1 : b[i - rank + b.Length];
            if (left != right && left != 1 && right != 1) throw node.Error($"[{string.Join(", ", a)}] and [{string.Join(", ", b)}] do not go together");
            dims[i] = left == 1 ? right : left;
        }
        return dims;
    }

    /// <summary>Extents of a Reshape: 0 copies one (unless allowzero), -1 is what is left.</summary>
    public static int[] Reshaped(OnnxNode node, int[] dims, long[] wanted)
    {
        long count = dims.Aggregate(1L, (product, extent) => product * extent);
        bool zero = node.Integer("allowzero", 0) != 0;
        long[] to = [.. wanted.Select((extent, i) => extent == 0 && !zero ? i < dims.Length ? dims[i] : throw node.Error($"extent {i} is to be copied, and there are {dims.Length}") : extent)];
        long known = to.Where(extent => extent != -1).Aggregate(1L, (product, extent) => checked(product * extent));
        if (to.Count(extent => extent == -1) > 1 || to.Any(extent => extent < -1)) throw node.Error($"[{string.Join(", ", wanted)}] are no extents");
        if (to.Contains(-1)) to[Array.IndexOf(to, -1)] = known == 0 || count % known != 0 ? throw node.Error($"[{string.Join(", ", dims)}] does not become [{string.Join(", ", wanted)}]") : count / known;
        return to.Aggregate(1L, (product, extent) => checked(product * extent)) == count
            ? [.. to.Select(extent => checked((int)extent))]
            : throw node.Error($"[{string.Join(", ", dims)}] does not become [{string.Join(", ", wanted)}]");
    }

    public static int[] Flattened(OnnxNode node, int[] dims)
    {
        long given = node.Integer("axis", 1);
        int axis = given == dims.Length ? dims.Length : Axis(node, given, dims.Length);
        return [dims[..axis].Aggregate(1, (p, e) => checked(p * e)), dims[axis..].Aggregate(1, (p, e) => checked(p * e))];
    }

    public static int[] Squeezed(OnnxNode node, int[] dims, Constant? input)
    {
        int[]? axes = (node.Integers("axes") ?? input?.Integers())?.Select(a => Axis(node, a, dims.Length)).ToArray();
        if (axes?.FirstOrDefault(a => dims[a] != 1, -1) is >= 0 and var wrong) throw node.Error($"axis {wrong} has {dims[wrong]} elements, not 1");
        return [.. dims.Where((extent, i) => axes is null ? extent != 1 : !axes.Contains(i))];
    }

    public static int[] Unsqueezed(OnnxNode node, int[] dims, Constant? input)
    {
        long[] given = node.Integers("axes") ?? input?.Integers() ?? throw node.Error("it has no axes");
        int rank = dims.Length + given.Length;
        int[] axes = [.. given.Select(a => Axis(node, a, rank))];
        if (axes.Distinct().Count() < axes.Length) throw node.Error("an axis is named twice");
        var left = new Queue<int>(dims);
        return [.. Enumerable.Range(0, rank).Select(i => axes.Contains(i) ? 1 : left.Dequeue())];
    }

    public static int[] Transposition(OnnxNode node, int rank)
    {
        int[] order = node.Integers("perm") is { } given ? [.. given.Select(a => Axis(node, a, rank))] : [.. Enumerable.Range(0, rank).Reverse()];
        return order.Length == rank && order.Distinct().Count() == rank ? order : throw node.Error($"[{string.Join(", ", order)}] is no order of {rank} axes");
    }

    /// <summary>Axes of a reduction: an attribute or, later, an input; all of them where there is neither.</summary>
    public static int[] ReducedAxes(OnnxNode node, int rank, Constant? input)
    {
        long[]? axes = node.Integers("axes") ?? input?.Integers();
        return axes is { Length: > 0 } ? [.. axes.Select(a => Axis(node, a, rank)).Distinct().Order()]
            : node.Integer("noop_with_empty_axes", 0) != 0 ? [] : [.. Enumerable.Range(0, rank)];
    }

    /// <summary>Start and number of each part.</summary>
    public static (int Start, int Count)[] Splits(OnnxNode node, int extent, Constant? input)
    {
        int outputs = node.Outputs.Length;
        int[]? sizes = (node.Integers("split") ?? input?.Integers())?.Select(s => checked((int)s)).ToArray();
        int each = (extent + outputs - 1) / outputs;
        sizes ??= [.. Enumerable.Range(0, outputs).Select(i => Math.Min(each, extent - i * each))];
        if (sizes.Any(s => s < 1) || sizes.Sum(s => (long)s) != extent) throw node.Error($"parts of {string.Join(", ", sizes)} do not make {extent}");
        int start = 0;
        return [.. sizes.Select(count => (start += count, count)).Select(part => (part.Item1 - part.count, part.count))];
    }

    /// <summary>Which elements of each axis a Slice takes.</summary>
    public static int[][] Slices(OnnxNode node, int[] dims, IReadOnlyList<Constant?> x)
    {
        int[][] taken = [.. dims.Select(extent => Enumerable.Range(0, extent).ToArray())];
        bool attributes = node.Has("starts");
        long[]? Given(string name, int index) => attributes ? node.Integers(name) : x.ElementAtOrDefault(index)?.Integers();
        long[] starts = Given("starts", 1) ?? throw node.Error("it has no starts"), ends = Given("ends", 2) ?? throw node.Error("it has no ends");
        long[] axes = Given("axes", 3) ?? [.. Enumerable.Range(0, starts.Length).Select(i => (long)i)], steps = (attributes ? null : Given("steps", 4)) ?? [.. Enumerable.Repeat(1L, starts.Length)];
        if (ends.Length != starts.Length || axes.Length != starts.Length || steps.Length != starts.Length) throw node.Error("its starts, ends, axes and steps differ in number");
        for (int i = 0; i < starts.Length; i++)
        {
            int axis = Axis(node, axes[i], dims.Length), extent = dims[axis];
            long step = steps[i] is 0 or long.MinValue ? throw node.Error($"a step of {steps[i]} leads nowhere") : steps[i];
            long At(long v, long low, long high) => Math.Clamp(v < 0 ? v + extent : v, low, high);
            long first = step > 0 ? At(starts[i], 0, extent) : At(starts[i], 0, extent - 1), last = step > 0 ? At(ends[i], 0, extent) : At(ends[i], -1, extent - 1);
            var indices = new List<int>();
            for (long at = first; step > 0 ? at < last : at > last; at += step) indices.Add((int)at);
            taken[axis] = [.. indices];
        }
        return taken;
    }

    /// <summary>
    /// How the axes of a reshape belong together: groups of source axes whose product is that of a group of target axes, as small as they can be.
    /// </summary>
    public static List<(Range From, Range To)> Groups(int[] from, int[] to)
    {
        var groups = new List<(Range, Range)>();
        int i = 0, j = 0;
        while (i < from.Length || j < to.Length)
        {
            int startI = i, startJ = j;
            long left = i < from.Length ? from[i++] : 1, right = j < to.Length ? to[j++] : 1;
            while (left != right)
                if (left < right) left *= from[i++];
                else right *= to[j++];
            groups.Add((startI..i, startJ..j));
        }
        return groups;
    }
}
