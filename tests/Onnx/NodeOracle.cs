using NativeDiffusion.Onnx.Graphs;

namespace NativeDiffusion.Tests.Onnx;

/// <summary>A graph computed node by node in double, as the operators are defined.</summary>
internal sealed class NodeOracle(OnnxGraph graph)
{
    /// <summary>A dense tensor in double.</summary>
    public sealed record Dense(int[] Dims, double[] Data)
    {
        public Dense(int[] dims) : this(dims, new double[dims.Aggregate(1, (p, e) => p * e)]) { }
    }

    /// <summary>Every value that the nodes make.</summary>
    public Dictionary<string, Dense> Run(double[] input, int[] dims)
    {
        var values = graph.Constants.ToDictionary(c => c.Key, c => new Dense(c.Value.Dims, [.. c.Value.Reals().Select(v => (double)v)]));
        values[graph.Inputs[0].Name] = new(dims, input);
        foreach (var node in graph.Nodes)
        {
            Dense[] x = [.. node.Inputs.Select(name => name.Length == 0 ? new Dense([0], []) : values[name])];
            if (node.Op == "Split")
            {
                int axis = (int)node.Integer("axis", 0), start = 0;
                foreach (var (name, count) in node.Outputs.Zip(x[1].Data))
                {
                    int first = start;
                    values[name] = Map([.. x[0].Dims.Select((e, i) => i == axis ? (int)count : e)], at => At(x[0], [.. at.Select((v, i) => i == axis ? v + first : v)]));
                    start += (int)count;
                }
            }
            else values[node.Outputs[0]] = Compute(node, x);
        }
        return values;
    }

    private static Dense Compute(OnnxNode node, Dense[] x)
    {
        int Axis(int otherwise) => (int)node.Integer("axis", otherwise) is var a && a < 0 ? a + x[0].Dims.Length : a;
        switch (node.Op)
        {
            case "Conv": return Convolve(node, x);
            case "ConvTranspose": return ConvolveTransposed(node, x);
            case "MaxPool" or "AveragePool": return Pool(node, x[0]);
            case "BatchNormalization":
                return Map(x[0].Dims, at => (At(x[0], at) - x[3].Data[at[1]]) * x[1].Data[at[1]] / Math.Sqrt(x[4].Data[at[1]] + node.Real("epsilon", 1e-5f)) + x[2].Data[at[1]]);
            case "InstanceNormalization": return Normalise(x, x[0].Dims[1], 1e-5, node);
            case "GroupNormalization": return Normalise(x, (int)node.Integer("num_groups", 1), 1e-5, node);
            case "LayerNormalization":
                {
                    int c = x[0].Dims[^1];
                    var y = new Dense(x[0].Dims);
                    for (int row = 0; row < y.Data.Length; row += c)
                    {
                        double[] part = x[0].Data[row..(row + c)];
                        double mean = part.Average(), deviation = Math.Sqrt(part.Average(v => (v - mean) * (v - mean)) + node.Real("epsilon", 1e-5f));
                        for (int i = 0; i < c; i++) y.Data[row + i] = (part[i] - mean) / deviation * x[1].Data[i] + x[2].Data[i];
                    }
                    return y;
                }
            case "Relu": return Each(x[0], v => Math.Max(v, 0));
            case "LeakyRelu": return Each(x[0], v => v > 0 ? v : node.Real("alpha", 0.01f) * v);
            case "Elu": return Each(x[0], v => v > 0 ? v : Math.Exp(v) - 1);
            case "Sigmoid": return Each(x[0], v => 1 / (1 + Math.Exp(-v)));
            case "HardSwish": return Each(x[0], v => v * Math.Clamp(v / 6 + 0.5, 0, 1));
            case "Tanh": return Each(x[0], Math.Tanh);
            case "Exp": return Each(x[0], Math.Exp);
            case "Sqrt": return Each(x[0], Math.Sqrt);
            case "Clip": return Each(x[0], v => Math.Clamp(v, x[1].Data[0], x[2].Data[0]));
            case "Add": return Pair(x[0], x[1], (a, b) => a + b);
            case "Sub": return Pair(x[0], x[1], (a, b) => a - b);
            case "Mul": return Pair(x[0], x[1], (a, b) => a * b);
            case "Div": return Pair(x[0], x[1], (a, b) => a / b);
            case "Max": return Pair(x[0], x[1], Math.Max);
            case "Pow": return Pair(x[0], x[1], Math.Pow);
            case "Flatten": return x[0] with { Dims = [x[0].Dims[..Axis(1)].Aggregate(1, (p, e) => p * e), x[0].Dims[Axis(1)..].Aggregate(1, (p, e) => p * e)] };
            case "Reshape": return x[0] with { Dims = [.. x[1].Data.Select((e, i) => e > 0 ? (int)e : e == 0 ? x[0].Dims[i] : (int)(x[0].Data.Length / x[1].Data.Select((f, j) => f > 0 ? f : f == 0 ? x[0].Dims[j] : 1).Aggregate(1.0, (p, f) => p * f)))] };
            case "Transpose": return Map([.. node.Integers("perm")!.Select(a => x[0].Dims[a])], at => At(x[0], [.. Enumerable.Range(0, at.Length).Select(a => at[Array.IndexOf(node.Integers("perm")!, a)])]));
            case "Shape": return new([x[0].Dims.Length], [.. x[0].Dims.Select(e => (double)e)]);
            case "Gather": return Map([.. x[0].Dims[..Axis(0)], .. x[1].Dims, .. x[0].Dims[(Axis(0) + 1)..]],
                at => At(x[0], [.. at[..Axis(0)], (int)At(x[1], at[Axis(0)..(Axis(0) + x[1].Dims.Length)]), .. at[(Axis(0) + x[1].Dims.Length)..]]));
            case "Unsqueeze": return x[0] with { Dims = [.. x[0].Dims[..(int)x[1].Data[0]], 1, .. x[0].Dims[(int)x[1].Data[0]..]] };
            case "Concat":
                {
                    int axis = Axis(0);
                    return Map([.. x[0].Dims.Select((e, i) => i == axis ? x.Sum(v => v.Dims[axis]) : e)], at =>
                    {
                        int[] index = [.. at];
                        foreach (var part in x)
                        {
                            if (index[axis] < part.Dims[axis]) return At(part, index);
                            index[axis] -= part.Dims[axis];
                        }
                        return double.NaN;
                    });
                }
            case "Slice": return Map([.. x[0].Dims.Select((e, i) => i == (int)x[3].Data[0] ? (int)((x[2].Data[0] - x[1].Data[0] + x[4].Data[0] - 1) / x[4].Data[0]) : e)],
                at => At(x[0], [.. at.Select((v, i) => i == (int)x[3].Data[0] ? (int)(x[1].Data[0] + v * x[4].Data[0]) : v)]));
            case "Pad":
                {
                    int rank = x[0].Dims.Length;
                    return Map([.. x[0].Dims.Select((e, i) => e + (int)x[1].Data[i] + (int)x[1].Data[i + rank])], at =>
                    {
                        int[] from = [.. at.Select((v, i) => v - (int)x[1].Data[i])];
                        if (node.Text("mode", "constant") == "reflect") from = [.. from.Select((v, i) => v < 0 ? -v : v >= x[0].Dims[i] ? 2 * (x[0].Dims[i] - 1) - v : v)];
                        return from.Zip(x[0].Dims).All(p => p.First >= 0 && p.First < p.Second) ? At(x[0], from) : 0;
                    });
                }
            case "GlobalAveragePool": return Reduce(x[0], [.. Enumerable.Range(2, x[0].Dims.Length - 2)], v => v.Average());
            case "ReduceMean": return Reduce(x[0], [.. node.Integers("axes")!.Select(a => (int)(a < 0 ? a + x[0].Dims.Length : a))], v => v.Average());
            case "ReduceMax": return Reduce(x[0], [.. node.Integers("axes")!.Select(a => (int)(a < 0 ? a + x[0].Dims.Length : a))], v => v.Max());
            case "Softmax":
                {
                    var shifted = Pair(x[0], Reduce(x[0], [Axis(-1)], v => v.Max()), (a, b) => Math.Exp(a - b));
                    return Pair(shifted, Reduce(shifted, [Axis(-1)], v => v.Sum()), (a, b) => a / b);
                }
            case "Gemm":
                {
                    bool transposed = node.Integer("transB", 0) != 0;
                    int to = x[1].Dims[transposed ? 0 : 1], from = x[0].Dims[1];
                    return Map([x[0].Dims[0], to], at => node.Real("alpha", 1) * Enumerable.Range(0, from).Sum(k => At(x[0], [at[0], k]) * (transposed ? At(x[1], [at[1], k]) : At(x[1], [k, at[1]]))) + x[2].Data[at[1]]);
                }
            case "MatMul":
                {
                    int rank = Math.Max(x[0].Dims.Length, x[1].Dims.Length);
                    int[] stack = [.. Enumerable.Range(0, rank - 2).Select(i => Math.Max(Extent(x[0], i), Extent(x[1], i)))];
                    int Extent(Dense v, int i) => i - rank + v.Dims.Length is var j and >= 0 ? v.Dims[j] : 1;
                    return Map([.. stack, x[0].Dims[^2], x[1].Dims[^1]], at => Enumerable.Range(0, x[0].Dims[^1]).Sum(k => Under(x[0], [.. at[..^1], k]) * Under(x[1], [.. at[..^2], k, at[^1]])));
                }
            case "Resize":
                return Map([.. x[0].Dims.Zip(x[2].Data, (e, s) => (int)(e * s))], at => At(x[0], [.. at.Select((v, i) => (int)(v / x[2].Data[i]))]));
            default: throw new NotSupportedException(node.Op);
        }
    }

    private static Dense Convolve(OnnxNode node, Dense[] x)
    {
        int groups = (int)node.Integer("group", 1), inputs = x[1].Dims[1], outputs = x[1].Dims[0];
        long[] s = node.Integers("strides") ?? [1, 1], d = node.Integers("dilations") ?? [1, 1], p = node.Integers("pads") ?? [0, 0, 0, 0];
        int[] taps = x[1].Dims[2..], dims = [x[0].Dims[0], outputs, .. Enumerable.Range(0, 2).Select(i => (int)((x[0].Dims[i + 2] + p[i] + p[i + 2] - (taps[i] - 1) * d[i] - 1) / s[i] + 1))];
        var y = new Dense(dims);
        int h = x[0].Dims[2], w = x[0].Dims[3];
        Parallel.For(0, dims[0] * outputs, plane =>
        {
            int n = plane / outputs, o = plane % outputs, first = o / (outputs / groups) * inputs;
            for (int i = 0; i < dims[2]; i++)
                for (int j = 0; j < dims[3]; j++)
                {
                    double sum = x.Length > 2 ? x[2].Data[o] : 0;
                    for (int c = 0; c < inputs; c++)
                        for (int a = 0; a < taps[0]; a++)
                            for (int b = 0; b < taps[1]; b++)
                            {
                                long row = i * s[0] + a * d[0] - p[0], column = j * s[1] + b * d[1] - p[1];
                                if (row >= 0 && row < h && column >= 0 && column < w)
                                    sum += x[0].Data[((n * x[0].Dims[1] + first + c) * h + row) * w + column] * x[1].Data[((o * inputs + c) * taps[0] + a) * taps[1] + b];
                            }
                    y.Data[(plane * dims[2] + i) * dims[3] + j] = sum;
                }
        });
        return y;
    }

    private static Dense ConvolveTransposed(OnnxNode node, Dense[] x)
    {
        long[] s = node.Integers("strides") ?? [1, 1], p = node.Integers("pads") ?? [0, 0, 0, 0];
        int h = x[0].Dims[2], w = x[0].Dims[3], kh = x[1].Dims[2], kw = x[1].Dims[3];
        var y = new Dense([x[0].Dims[0], x[1].Dims[1], (int)((h - 1) * s[0] + kh - p[0] - p[2]), (int)((w - 1) * s[1] + kw - p[1] - p[3])]);
        for (int n = 0; n < y.Dims[0]; n++)
            for (int c = 0; c < x[0].Dims[1]; c++)
                for (int i = 0; i < h; i++)
                    for (int j = 0; j < w; j++)
                        for (int o = 0; o < y.Dims[1]; o++)
                            for (int a = 0; a < kh; a++)
                                for (int b = 0; b < kw; b++)
                                {
                                    long row = i * s[0] + a - p[0], column = j * s[1] + b - p[1];
                                    if (row >= 0 && row < y.Dims[2] && column >= 0 && column < y.Dims[3])
                                        y.Data[((n * y.Dims[1] + o) * y.Dims[2] + row) * y.Dims[3] + column] += At(x[0], [n, c, i, j]) * At(x[1], [c, o, a, b]);
                                }
        return y;
    }

    private static Dense Pool(OnnxNode node, Dense x)
    {
        long[] k = node.Integers("kernel_shape")!, s = node.Integers("strides") ?? [1, 1], p = node.Integers("pads") ?? [0, 0, 0, 0];
        bool ceiling = node.Integer("ceil_mode", 0) != 0, padded = node.Integer("count_include_pad", 0) != 0, maximum = node.Op == "MaxPool";
        int Out(int i)
        {
            long room = x.Dims[i + 2] + p[i] + p[i + 2] - k[i], count = (ceiling ? (room + s[i] - 1) / s[i] : room / s[i]) + 1;
            return (int)((count - 1) * s[i] >= x.Dims[i + 2] + p[i] ? count - 1 : count);
        }
        return Map([x.Dims[0], x.Dims[1], Out(0), Out(1)], at =>
        {
            var seen = new List<double>();
            int all = 0;
            for (long row = at[2] * s[0] - p[0], a = 0; a < k[0]; a++, row++)
                for (long column = at[3] * s[1] - p[1], b = 0; b < k[1]; b++, column++)
                {
                    if (row < x.Dims[2] + p[2] && column < x.Dims[3] + p[3]) all++;
                    if (row >= 0 && row < x.Dims[2] && column >= 0 && column < x.Dims[3]) seen.Add(At(x, [at[0], at[1], (int)row, (int)column]));
                }
            return maximum ? seen.Max() : seen.Sum() / (padded ? all : seen.Count);
        });
    }

    private static Dense Normalise(Dense[] x, int groups, double epsilon, OnnxNode node)
    {
        int size = x[0].Data.Length / x[0].Dims[0] / groups, inner = x[0].Data.Length / x[0].Dims[0] / x[0].Dims[1];
        var y = new Dense(x[0].Dims);
        for (int start = 0; start < y.Data.Length; start += size)
        {
            double[] part = x[0].Data[start..(start + size)];
            double mean = part.Average(), deviation = Math.Sqrt(part.Average(v => (v - mean) * (v - mean)) + node.Real("epsilon", (float)epsilon));
            for (int i = 0; i < size; i++)
            {
                int channel = (start + i) / inner % x[0].Dims[1];
                y.Data[start + i] = (part[i] - mean) / deviation * x[1].Data[channel] + x[2].Data[channel];
            }
        }
        return y;
    }

    private static Dense Each(Dense x, Func<double, double> f) => x with { Data = [.. x.Data.Select(f)] };

    private static Dense Pair(Dense a, Dense b, Func<double, double, double> f)
    {
        int rank = Math.Max(a.Dims.Length, b.Dims.Length);
        int Extent(Dense v, int i) => i - rank + v.Dims.Length is var j and >= 0 ? v.Dims[j] : 1;
        return Map([.. Enumerable.Range(0, rank).Select(i => Math.Max(Extent(a, i), Extent(b, i)))], at => f(Under(a, at), Under(b, at)));
    }

    private static Dense Reduce(Dense x, int[] axes, Func<double[], double> f)
    {
        var parts = new Dictionary<int, List<double>>();
        int[] dims = [.. x.Dims.Select((e, i) => axes.Contains(i) ? 1 : e)];
        foreach (var (at, value) in Places(x.Dims).Zip(x.Data))
        {
            int to = Flat([.. at.Select((v, i) => axes.Contains(i) ? 0 : v)], dims);
            if (!parts.TryGetValue(to, out var list)) parts[to] = list = [];
            list.Add(value);
        }
        return new(dims, [.. parts.OrderBy(part => part.Key).Select(part => f([.. part.Value]))]);
    }

    private static double Under(Dense x, int[] at) => At(x, [.. x.Dims.Select((e, i) => e == 1 ? 0 : at[i + at.Length - x.Dims.Length])]);

    private static double At(Dense x, int[] at) => x.Data[Flat(at, x.Dims)];

    private static Dense Map(int[] dims, Func<int[], double> f) => new(dims, [.. Places(dims).Select(f)]);

    private static int Flat(int[] at, int[] dims) => at.Zip(dims).Aggregate(0, (flat, p) => flat * p.Second + p.First);

    private static IEnumerable<int[]> Places(int[] dims)
    {
        int count = dims.Aggregate(1, (p, e) => p * e);
        for (int i = 0; i < count; i++)
        {
            int[] at = new int[dims.Length];
            for (int axis = dims.Length - 1, rest = i; axis >= 0; rest /= dims[axis--]) at[axis] = rest % dims[axis];
            yield return at;
        }
    }
}
