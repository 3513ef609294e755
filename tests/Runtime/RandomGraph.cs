using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NativeDiffusion.Tests.Cases;

namespace NativeDiffusion.Tests.Runtime;

/// <summary>
/// A small plan of randomly chosen ops, with the same graph in double: ways that part and join again, rows that are gathered and shared, parts of tensors in their
/// place. What a graph is follows from its seed.
/// </summary>
internal sealed class RandomGraph
{
    private const int Leaves = 3;

    private readonly Random _random;
    private readonly List<Node> _nodes = [];

    public RandomGraph(int seed, int ops)
    {
        _random = new Random(seed);
        var shape = new Shape(_random.Next(1, 4), 2, 2, 2 * _random.Next(1, 4));
        for (int i = 0; i < Leaves; i++) _nodes.Add(new Node($"leaf {i}", shape, [], (b, _) => null!, _ => null!));
        while (_nodes.Count < Leaves + ops)
            if (Random() is { } node)
                _nodes.Add(node);
        Values = [.. _nodes.Take(Leaves).Select(n => Draw(n.Shape))];
        Cotangent = Draw(_nodes[^1].Shape);
    }

    /// <summary>The leaves' values.</summary>
    public double[][] Values { get; }

    public double[] Cotangent { get; }

    /// <summary>Numbers of the nodes that lead to the last one, itself left out.</summary>
    public IReadOnlyList<int> Ways
    {
        get
        {
            var found = new SortedSet<int> { _nodes.Count - 1 };
            for (int i = _nodes.Count - 1; i >= 0; i--)
                if (found.Contains(i))
                    found.UnionWith(_nodes[i].Operands);
            found.Remove(_nodes.Count - 1);
            return [.. found];
        }
    }

    public string Describe(int node) => _nodes[node].Op + " -> " + _nodes[node].Shape;

    /// <summary>All nodes, one line each.</summary>
    public override string ToString() => string.Join(Environment.NewLine, _nodes.Select((n, i) => $"{i}: {n.Op}({string.Join(", ", n.Operands)}) -> {n.Shape}"));

    /// <summary>Records the graph; gives the tensor of every node.</summary>
    public Tensor[] Record(PlanBuilder b, Func<int, Shape, Tensor> leaf)
    {
        var tensors = new Tensor[_nodes.Count];
        for (int i = 0; i < tensors.Length; i++)
            tensors[i] = i < Leaves ? leaf(i, _nodes[i].Shape) : _nodes[i].Record(b, [.. _nodes[i].Operands.Select(o => tensors[o])]);
        return tensors;
    }

    /// <summary>The last node, with a step along a direction added to one node's values.</summary>
    public double[] Evaluate(int node = -1, double[]? direction = null, double step = 0)
    {
        var values = new DoubleTensor[_nodes.Count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = i < Leaves ? new DoubleTensor(_nodes[i].Shape, [.. Values[i]]) : _nodes[i].Evaluate([.. _nodes[i].Operands.Select(o => values[o])]);
            if (i == node) values[i] = new DoubleTensor(values[i].Shape, [.. values[i].Data.Zip(direction!, (v, d) => v + step * d)]);
        }
        return values[^1].Data;
    }

    public double[] Draw(Shape shape) => [.. Enumerable.Range(0, (int)shape.Count).Select(_ => (double)(float)(2 * _random.NextDouble() - 1))];

    private Node? Random()
    {
        // Late nodes more often, so that graphs become deep as well as wide.
        int at = _nodes.Count - 1 - Math.Min(_random.Next(_nodes.Count), _random.Next(_nodes.Count));
        var shape = _nodes[at].Shape;
        if (shape.Count > 300) return null;
        int channels = shape.Channels, rows = shape.Batch;
        switch (_random.Next(15))
        {
            case 0: return One("Silu", shape, (b, x) => b.Silu(x), x => Map(x, v => v / (1 + Math.Exp(-v))));
            case 1: return One("Scale", shape, (b, x) => b.Scale(x, -0.75f), x => Map(x, v => -0.75 * v));
            case 2 or 3:
                return Two("Add", s => s == shape, _ => shape, (b, x, y) => b.Add(x, y), (x, y) => new DoubleTensor(x.Shape, [.. x.Data.Zip(y.Data, (p, q) => p + q)]));
            case 4:
                int start = _random.Next(channels), count = _random.Next(1, channels - start + 1);
                return One($"Slice {start}+{count}", shape.WithChannels(count), (b, x) => b.Slice(x, start, count), x => Take(x, shape.WithChannels(count), i => i / count * channels + start + i % count));
            case 5:
                return Two("Concat", s => s.Rank == shape.Rank && s.WithChannels(1) == shape.WithChannels(1), s => shape.WithChannels(channels + s.Channels), (b, x, y) => b.Concat(x, y), Concat);
            case 6:
                int first = _random.Next(rows), taken = _random.Next(1, rows - first + 1);
                return One($"Rows {first}+{taken}", shape.WithBatch(taken), (b, x) => b.Rows(x, first, taken), x => Take(x, shape.WithBatch(taken), i => first * (int)shape.RowCount + i));
            case 7:
                return Two("ConcatRows", s => s.Rank == shape.Rank && s.WithBatch(1) == shape.WithBatch(1), s => shape.WithBatch(rows + s.Batch), (b, x, y) => b.ConcatRows(x, y),
                    (x, y) => new DoubleTensor(x.Shape.WithBatch(x.Shape.Batch + y.Shape.Batch), [.. x.Data, .. y.Data]));
            case 8 or 9:
                int[] from = [.. Enumerable.Range(0, _random.Next(1, 6)).Select(_ => _random.Next(rows))];
                return One($"GatherRows [{string.Join(" ", from)}]", shape.WithBatch(from.Length), (b, x) => b.GatherRows(x, Indices(b, from)),
                    x => Take(x, shape.WithBatch(from.Length), i => from[i / (int)shape.RowCount] * (int)shape.RowCount + i % (int)shape.RowCount));
            case 10:
                var flat = shape.Rank == 2 ? new Shape(rows, 1, 1, channels) : new Shape(rows, (int)shape.RowCount);
                return One("Reshape", flat, (b, x) => b.Reshape(x, flat), x => new DoubleTensor(flat, x.Data));
            case 11:
                float[] shared = [.. Draw(new Shape((int)shape.RowCount)).Select(v => (float)v)];
                return One("AddShared", shape, (b, x) => b.AddShared(x, b.Constant("shared", shared)), x => new DoubleTensor(shape, [.. x.Data.Select((v, i) => v + shared[i % shared.Length])]));
            case 12:
                return One("BroadcastDoubled", shape.WithBatch(2 * rows), (b, x) => b.BroadcastDoubled(x), x => new DoubleTensor(shape.WithBatch(2 * rows), [.. x.Data, .. x.Data]));
            case 13:
                int outputs = _random.Next(1, 5);
                float[] weight = [.. Draw(new Shape(outputs * channels)).Select(v => (float)v)];
                return One($"Linear {outputs}", shape.WithChannels(outputs), (b, x) => b.Linear(x, b.Reshape(b.Constant("weight", weight), new Shape(outputs, channels))),
                    x => Take(new DoubleTensor(new Shape((int)(x.Shape.Count / channels * outputs)), Product(x.Data, weight, channels, outputs)), shape.WithChannels(outputs), i => i));
            default:
                return shape.Rank != 4 ? null : One("LayerNorm", shape, (b, x) => b.LayerNorm(x, null, null, 0.1), Normalised);
        }

        Node One(string op, Shape result, Func<PlanBuilder, Tensor, Tensor> record, Func<DoubleTensor, DoubleTensor> evaluate) =>
            new(op, result, [at], (b, x) => record(b, x[0]), x => evaluate(x[0]));

        Node Two(string op, Func<Shape, bool> fits, Func<Shape, Shape> result, Func<PlanBuilder, Tensor, Tensor, Tensor> record, Func<DoubleTensor, DoubleTensor, DoubleTensor> evaluate)
        {
            int[] others = [.. Enumerable.Range(0, _nodes.Count).Where(i => fits(_nodes[i].Shape))];
            int other = others[_random.Next(others.Length)];
            return new(op, result(_nodes[other].Shape), [at, other], (b, x) => record(b, x[0], x[1]), x => evaluate(x[0], x[1]));
        }
    }

    private static Tensor Indices(PlanBuilder b, int[] rows) => b.Constant("rows", [.. rows.Select(BitConverter.Int32BitsToSingle)]);

    private static DoubleTensor Map(DoubleTensor x, Func<double, double> f) => new(x.Shape, [.. x.Data.Select(f)]);

    private static DoubleTensor Take(DoubleTensor x, Shape shape, Func<int, int> from) => new(shape, [.. Enumerable.Range(0, (int)shape.Count).Select(i => x.Data[from(i)])]);

    private static DoubleTensor Concat(DoubleTensor x, DoubleTensor y)
    {
        int a = x.Shape.Channels, b = y.Shape.Channels;
        return new(x.Shape.WithChannels(a + b), [.. Enumerable.Range(0, x.Data.Length / a * (a + b)).Select(i => i % (a + b) < a ? x.Data[i / (a + b) * a + i % (a + b)] : y.Data[i / (a + b) * b + i % (a + b) - a])]);
    }

    private static double[] Product(double[] x, float[] weight, int inputs, int outputs) =>
        [.. Enumerable.Range(0, x.Length / inputs * outputs).Select(i => Enumerable.Range(0, inputs).Sum(k => x[i / outputs * inputs + k] * weight[i % outputs * inputs + k]))];

    private static DoubleTensor Normalised(DoubleTensor x)
    {
        int channels = x.Shape.Channels;
        double[] y = new double[x.Data.Length];
        for (int p = 0; p < y.Length; p += channels)
        {
            double mean = x.Data.AsSpan(p, channels).ToArray().Average(), variance = x.Data.AsSpan(p, channels).ToArray().Average(v => (v - mean) * (v - mean));
            for (int c = 0; c < channels; c++) y[p + c] = (x.Data[p + c] - mean) / Math.Sqrt(variance + 0.1);
        }
        return new(x.Shape, y);
    }

    private sealed record Node(string Op, Shape Shape, int[] Operands, Func<PlanBuilder, Tensor[], Tensor> Record, Func<DoubleTensor[], DoubleTensor> Evaluate);
}
