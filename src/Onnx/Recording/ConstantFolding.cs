using NativeDiffusion.Onnx.Format;
using NativeDiffusion.Onnx.Graphs;

namespace NativeDiffusion.Onnx.Recording;

/// <summary>Nodes whose inputs are constants: arithmetic with shapes, mostly, and weights that are stored in another form.</summary>
internal static class ConstantFolding
{
    /// <summary>Elements of a result; a weight is not larger, and a hostile shape is no reason to fill the memory.</summary>
    private const long MostElements = 1 << 28;

    private static readonly Dictionary<string, Func<double, double, double>> Pairs = new()
    {
        ["Add"] = (a, b) => a + b,
        ["Sub"] = (a, b) => a - b,
        ["Mul"] = (a, b) => a * b,
        ["Div"] = (a, b) => a / b,
        ["Pow"] = Math.Pow,
        ["Max"] = Math.Max,
        ["Min"] = Math.Min,
        ["Equal"] = (a, b) => a == b ? 1 : 0,
        ["Greater"] = (a, b) => a > b ? 1 : 0,
        ["GreaterOrEqual"] = (a, b) => a >= b ? 1 : 0,
        ["Less"] = (a, b) => a < b ? 1 : 0,
        ["LessOrEqual"] = (a, b) => a <= b ? 1 : 0,
        ["And"] = (a, b) => a != 0 && b != 0 ? 1 : 0,
        ["Or"] = (a, b) => a != 0 || b != 0 ? 1 : 0,
    };

    private static readonly Dictionary<string, Func<double, double>> Singles = new()
    {
        ["Neg"] = x => -x,
        ["Abs"] = Math.Abs,
        ["Sqrt"] = Math.Sqrt,
        ["Exp"] = Math.Exp,
        ["Log"] = Math.Log,
        ["Floor"] = Math.Floor,
        ["Ceil"] = Math.Ceiling,
        ["Round"] = x => Math.Round(x, MidpointRounding.ToEven),
        ["Reciprocal"] = x => 1 / x,
        ["Not"] = x => x == 0 ? 1 : 0,
        ["Sin"] = Math.Sin,
        ["Cos"] = Math.Cos,
    };

    private static readonly string[] Others =
    [
        "Cast", "CastLike", "Concat", "ConstantOfShape", "DequantizeLinear", "Dropout", "Expand", "Flatten", "Gather", "Mod", "Range", "ReduceProd", "ReduceSum", "ReduceMin",
        "ReduceMax", "Reshape", "Slice", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze", "Where",
    ];

    public static IEnumerable<string> Operators => Pairs.Keys.Concat(Singles.Keys).Concat(Others);

    /// <summary>The constant of a node that is one.</summary>
    public static Constant ConstantOf(OnnxNode node) => node switch
    {
        _ when node.Tensor("value") is { } tensor => tensor,
        _ when node.Has("value_float") => new([], [node.Real("value_float", 0)]),
        _ when node.Has("value_int") => new([], [node.Integer("value_int", 0)]),
        _ when node.Reals("value_floats") is { } reals => new([reals.Length], reals),
        _ when node.Integers("value_ints") is { } integers => new([integers.Length], integers),
        _ => throw node.Error("its value is neither numbers nor a tensor of numbers"),
    };

    /// <summary>The extents of a value.</summary>
    public static Constant ShapeOf(OnnxNode node, int[] dims)
    {
        long At(string name, long otherwise)
        {
            long v = node.Integer(name, otherwise);
            return Math.Clamp(v < 0 ? v + dims.Length : v, 0, dims.Length);
        }
        int start = (int)At("start", 0), end = Math.Max(start, (int)At("end", dims.Length));
        return new([end - start], [.. dims[start..end].Select(extent => (long)extent)]);
    }

    /// <summary>The results; null where the operator is not one of these.</summary>
    public static Constant[]? TryFold(OnnxNode node, Constant?[] x)
    {
        if (x.Length == 2 && Pairs.TryGetValue(node.Op, out var pair)) return [Paired(node, x[0]!, x[1]!, pair)];
        if (x.Length == 1 && Singles.TryGetValue(node.Op, out var single))
            return [x[0]!.IsReal ? new(x[0]!.Dims, [.. x[0]!.Reals().Select(v => (float)single(v))]) : new(x[0]!.Dims, [.. x[0]!.Integers().Select(v => (long)single(v))])];
        switch (node.Op)
        {
            case "Cast": return [Cast(x[0]!, (OnnxType)node.Integer("to", 0))];
            case "CastLike": return [Cast(x[0]!, x[1]!.IsReal ? OnnxType.Float : OnnxType.Int64)];
            case "Dropout": return [x[0]!];
            case "Mod": return [Paired(node, x[0]!, x[1]!, (a, b) => node.Integer("fmod", 0) != 0 || b == 0 ? Math.IEEERemainder(a, b) : a - b * Math.Floor(a / b))];
            case "Reshape": return [x[0]!.WithDims(Shapes.Reshaped(node, x[0]!.Dims, x[1]!.Integers()))];
            case "Flatten": return [x[0]!.WithDims(Shapes.Flattened(node, x[0]!.Dims))];
            case "Squeeze": return [x[0]!.WithDims(Shapes.Squeezed(node, x[0]!.Dims, x.ElementAtOrDefault(1)))];
            case "Unsqueeze": return [x[0]!.WithDims(Shapes.Unsqueezed(node, x[0]!.Dims, x.ElementAtOrDefault(1)))];
            case "Range":
                double start = x[0]!.Reals()[0], limit = x[1]!.Reals()[0], step = x[2]!.Reals()[0];
                long count = step == 0 ? 0 : Bounded(node, (long)Math.Max(0, Math.Ceiling((limit - start) / step)));
                return [x[0]!.IsReal
                    ? new([(int)count], [.. Enumerable.Range(0, (int)count).Select(i => (float)(start + i * step))])
                    : new([(int)count], [.. Enumerable.Range(0, (int)count).Select(i => (long)(start + i * step))])];
            case "ConstantOfShape":
                int[] dims = [.. x[0]!.Integers().Select(v => checked((int)v))];
                int size = (int)Bounded(node, dims);
                return [node.Tensor("value") is { } value && !value.IsReal
                    ? new(dims, [.. Enumerable.Repeat(value.Integers()[0], size)])
                    : new(dims, [.. Enumerable.Repeat(node.Tensor("value")?.Reals()[0] ?? 0f, size)])];
            case "Where":
                var whole = Paired(node, Paired(node, x[0]!, x[1]!, (_, b) => b), x[2]!, (a, _) => a);
                float[] c = Taken(node, x[0]!, whole.Dims).Reals();
                var (yes, no) = (Taken(node, x[1]!, whole.Dims), Taken(node, x[2]!, whole.Dims));
                if (!yes.IsReal) return [new(whole.Dims, [.. yes.Integers().Zip(no.Integers(), (p, q) => (p, q)).Select((v, i) => c[i] != 0 ? v.p : v.q)])];
                float[] p = yes.Reals(), q = no.Reals();
                return [new(whole.Dims, [.. c.Select((v, i) => v != 0 ? p[i] : q[i])])];
            case "Expand": return [Taken(node, x[0]!, Shapes.Broadcast(node, x[0]!.Dims, [.. x[1]!.Integers().Select(v => checked((int)v))]))];
            case "Transpose":
                int[] order = Shapes.Transposition(node, x[0]!.Dims.Length);
                return [Indexed(node, x[0]!, [.. order.Select(axis => x[0]!.Dims[axis])], index => [.. order.Select((axis, place) => (axis, place)).OrderBy(a => a.axis).Select(a => index[a.place])])];
            case "Gather":
                int along = Shapes.Axis(node, node.Integer("axis", 0), x[0]!.Dims.Length);
                long[] indices = x[1]!.Integers();
                int extent = x[0]!.Dims[along], rank = x[1]!.Dims.Length;
                if (indices.Any(i => i < -extent || i >= extent)) throw node.Error($"an index is not one of {extent} elements");
                return [Indexed(node, x[0]!, [.. x[0]!.Dims[..along], .. x[1]!.Dims, .. x[0]!.Dims[(along + 1)..]], index =>
                {
                    long at = indices[Flat(index[along..(along + rank)], x[1]!.Dims)];
                    return [.. index[..along], (int)(at < 0 ? at + extent : at), .. index[(along + rank)..]];
                })];
            case "Tile":
                long[] times = x[1]!.Integers();
                return [Indexed(node, x[0]!, [.. x[0]!.Dims.Select((e, i) => checked((int)(e * times[i])))], index => [.. index.Select((v, i) => v % x[0]!.Dims[i])])];
            case "Slice":
                var ranges = Shapes.Slices(node, x[0]!.Dims, x);
                return [Indexed(node, x[0]!, [.. ranges.Select(r => r.Length)], index => [.. index.Select((v, i) => ranges[i][v])])];
            case "Concat":
                int joined = Shapes.Axis(node, node.Integer("axis", 0), x[0]!.Dims.Length);
                int[] result = [.. x[0]!.Dims];
                result[joined] = x.Sum(v => v!.Dims[joined]);
                return [Joined(node, x, joined, result)];
            case "Split":
                int split = Shapes.Axis(node, node.Integer("axis", 0), x[0]!.Dims.Length);
                return [.. Shapes.Splits(node, x[0]!.Dims[split], x.ElementAtOrDefault(1)).Select(s => Indexed(
                    node, x[0]!, [.. x[0]!.Dims.Select((e, i) => i == split ? s.Count : e)], index => [.. index.Select((v, i) => i == split ? v + s.Start : v)]))];
            case "ReduceProd": return [Reduced(node, x, (a, v) => a * v, 1)];
            case "ReduceSum": return [Reduced(node, x, (a, v) => a + v, 0)];
            case "ReduceMin": return [Reduced(node, x, Math.Min, double.PositiveInfinity)];
            case "ReduceMax": return [Reduced(node, x, Math.Max, double.NegativeInfinity)];
            case "DequantizeLinear": return [Dequantized(node, x)];
            default: return null;
        }
    }

    private static Constant Cast(Constant x, OnnxType to) => to switch
    {
        OnnxType.Float or OnnxType.Double or OnnxType.Float16 or OnnxType.BFloat16 => new(x.Dims, isReal: true, () => (x.Reals(), null)),
        OnnxType.Bool => new(x.Dims, [.. x.Reals().Select(v => v != 0 ? 1L : 0L)]),
        _ => new(x.Dims, x.Integers()),
    };

    /// <summary>(q - zero) scale, with one scale or one for each element of an axis: weights that were quantised.</summary>
    private static Constant Dequantized(OnnxNode node, Constant?[] x)
    {
        if (node.Integer("block_size", 0) != 0) throw node.Error("weights quantised in blocks are not read; quantise them by channel, or store them as float16");
        float[] scales = x[1]!.Reals(), q = x[0]!.Reals(), zeros = x.ElementAtOrDefault(2)?.Reals() ?? new float[scales.Length];
        int inner = 1, extent = 1;
        if (scales.Length > 1)
        {
            int axis = Shapes.Axis(node, node.Integer("axis", 1), x[0]!.Dims.Length);
            (extent, inner) = (x[0]!.Dims[axis], x[0]!.Dims[(axis + 1)..].Aggregate(1, (p, e) => p * e));
            if (extent != scales.Length) throw node.Error($"{scales.Length} scales do not go with the {extent} elements of axis {axis}");
        }
        return new(x[0]!.Dims, [.. q.Select((v, i) => (v - zeros[i / inner % extent]) * scales[i / inner % extent])]);
    }

    private static Constant Reduced(OnnxNode node, Constant?[] x, Func<double, double, double> add, double start)
    {
        int rank = x[0]!.Dims.Length;
        int[] axes = Shapes.ReducedAxes(node, rank, x.ElementAtOrDefault(1)), kept = [.. x[0]!.Dims.Select((e, i) => axes.Contains(i) ? 1 : e)];
        double[] sums = new double[Bounded(node, kept)];
        Array.Fill(sums, start);
        float[]? reals = x[0]!.IsReal ? x[0]!.Reals() : null;
        long[]? integers = reals is null ? x[0]!.Integers() : null;
        int[] index = new int[rank];
        for (int i = 0; i < x[0]!.Count; i++, Advance(index, x[0]!.Dims))
        {
            int to = Flat([.. index.Select((v, axis) => axes.Contains(axis) ? 0 : v)], kept);
            sums[to] = add(sums[to], reals is null ? integers![i] : reals[i]);
        }
        int[] dims = node.Integer("keepdims", 1) != 0 ? kept : [.. kept.Where((_, i) => !axes.Contains(i))];
        return reals is null ? new(dims, [.. sums.Select(s => (long)s)]) : new(dims, [.. sums.Select(s => (float)s)]);
    }

    private static Constant Joined(OnnxNode node, Constant?[] x, int axis, int[] dims)
    {
        if (x.Any(v => v!.Dims.Length != dims.Length || v.Dims.Where((e, i) => i != axis && e != dims[i]).Any())) throw node.Error("its inputs differ in more than the axis that they are joined along");
        int outer = dims[..axis].Aggregate(1, (p, e) => p * e), inner = dims[(axis + 1)..].Aggregate(1, (p, e) => p * e);
        Bounded(node, dims);
        T[] Join<T>(Func<Constant, T[]> read)
        {
            T[][] parts = [.. x.Select(v => read(v!))];
            return [.. Enumerable.Range(0, outer).SelectMany(o => parts.SelectMany((part, i) => part.Skip(o * x[i]!.Dims[axis] * inner).Take(x[i]!.Dims[axis] * inner)))];
        }
        return x.Any(v => v!.IsReal) ? new(dims, Join(v => v.Reals())) : new(dims, Join(v => v.Integers()));
    }

    private static Constant Paired(OnnxNode node, Constant a, Constant b, Func<double, double, double> f)
    {
        int[] dims = Shapes.Broadcast(node, a.Dims, b.Dims);
        bool real = (a.IsReal || b.IsReal) && node.Op is not ("Equal" or "Greater" or "GreaterOrEqual" or "Less" or "LessOrEqual" or "And" or "Or");
        var (left, right) = (Taken(node, a, dims), Taken(node, b, dims));
        if (real) return new(dims, [.. left.Reals().Zip(right.Reals(), (p, q) => (float)f(p, q))]);
        bool whole = !a.IsReal && !b.IsReal && node.Op == "Div";
        return a.IsReal || b.IsReal
            ? new(dims, [.. left.Reals().Zip(right.Reals(), (p, q) => (long)f(p, q))])
            : new(dims, [.. left.Integers().Zip(right.Integers(), (p, q) => whole && q == 0 ? throw node.Error("it divides by 0") : whole ? p / q : (long)f(p, q))]);
    }

    private static Constant Taken(OnnxNode node, Constant x, int[] dims)
    {
        if (x.Dims.SequenceEqual(dims)) return x;
        int more = dims.Length - x.Dims.Length;
        return Indexed(node, x, dims, index => [.. x.Dims.Select((extent, axis) => extent == 1 ? 0 : index[axis + more])]);
    }

    /// <summary>A tensor whose elements are those of another one, by their place.</summary>
    private static Constant Indexed(OnnxNode node, Constant x, int[] dims, Func<int[], int[]> source)
    {
        long count = Bounded(node, dims);
        return new Constant(dims, x.IsReal, () =>
        {
            float[]? fromReals = x.IsReal ? x.Reals() : null, toReals = x.IsReal ? new float[count] : null;
            long[]? fromIntegers = x.IsReal ? null : x.Integers(), toIntegers = x.IsReal ? null : new long[count];
            int[] index = new int[dims.Length];
            for (int i = 0; i < count; i++, Advance(index, dims))
            {
                int from = Flat(source(index), x.Dims);
                if (toReals is not null) toReals[i] = fromReals![from];
                else toIntegers![i] = fromIntegers![from];
            }
            return (toReals, toIntegers);
        });
    }

    private static void Advance(int[] index, int[] dims)
    {
        for (int axis = dims.Length - 1; axis >= 0 && ++index[axis] == dims[axis]; axis--) index[axis] = 0;
    }

    private static int Flat(int[] index, int[] dims)
    {
        int at = 0;
        for (int axis = 0; axis < dims.Length; axis++) at = at * dims[axis] + index[axis];
        return at;
    }

    private static long Bounded(OnnxNode node, int[] dims) =>
        Bounded(node, dims.Any(d => d < 0) ? -1 : dims.Aggregate(1L, (product, extent) => product > MostElements ? product : product * extent));

    private static long Bounded(OnnxNode node, long count) => count is >= 0 and <= MostElements
        ? count
        : throw node.Error($"its constant result has more than {MostElements} elements, or negative extents");
}
