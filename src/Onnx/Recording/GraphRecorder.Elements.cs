using NativeDiffusion.Kernels;
using NativeDiffusion.Onnx.Graphs;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Onnx.Recording;

// Element by element.
internal sealed partial class GraphRecorder
{
    private const float SeluAlpha = 1.67326319f, SeluGamma = 1.05070102f;

    private static IEnumerable<KeyValuePair<string, Func<GraphRecorder, OnnxNode, Value?[], Value[]>>> Elements =>
    [
        new("Relu", (r, n, x) => [r.Mapped(n, x[0]!, t => double.IsPositiveInfinity(r._softplusBeta) ? r._b.Relu(t) : r._b.Softplus(t, (float)r._softplusBeta))]),
        Function("Sigmoid", ElementFunction.Sigmoid),
        Function("Exp", ElementFunction.Exp),
        Function("Sqrt", ElementFunction.Sqrt),
        Function("Reciprocal", ElementFunction.Reciprocal),
        Function("Abs", ElementFunction.Abs),
        Function("Erf", ElementFunction.Erf),
        Function("LeakyRelu", ElementFunction.LeakyRelu, 0.01f),
        Function("Elu", ElementFunction.Elu, 1),
        new("Celu", (r, n, x) => [r.Mapped(n, x[0]!, t => n.Real("alpha", 1) is var a ? r._b.Scale(r._b.Apply(ElementFunction.Elu, r._b.Scale(t, 1 / a)), a) : t)]),
        new("Selu", (r, n, x) => [r.Mapped(n, x[0]!, t => r._b.Scale(r._b.Apply(ElementFunction.Elu, t, n.Real("alpha", SeluAlpha)), n.Real("gamma", SeluGamma)))]),
        new("Gelu", (r, n, x) => [r.Mapped(n, x[0]!, t => n.Text("approximate", "none") == "tanh" ? r._b.Gelu(t) : r._b.Apply(ElementFunction.ExactGelu, t))]),
        new("Tanh", (r, n, x) => [r.Mapped(n, x[0]!, t => r._b.Tanh(t))]),
        new("Softplus", (r, n, x) => [r.Mapped(n, x[0]!, t => r._b.Softplus(t, 1))]),
        new("Swish", (r, n, x) => [r.Mapped(n, x[0]!, t => n.Real("alpha", 1) is 1 ? r._b.Silu(t) : r._b.Combine(PairFunction.Multiply, t, r._b.Apply(ElementFunction.Sigmoid, r._b.Scale(t, n.Real("alpha", 1)))))]),
        new("Mish", (r, n, x) => [r.Mapped(n, x[0]!, t => r._b.Combine(PairFunction.Multiply, t, r._b.Tanh(r._b.Softplus(t, 1))))]),
        new("Softsign", (r, n, x) => [r.Paired(n, PairFunction.Divide, x[0]!, r.Plus(n, r.Mapped(n, x[0]!, t => r._b.Apply(ElementFunction.Abs, t)), 1))]),
        new("HardSigmoid", (r, n, x) => [r.HardSigmoid(n, x[0]!, n.Real("alpha", 0.2f), n.Real("beta", 0.5f))]),
        new("HardSwish", (r, n, x) => [r.Paired(n, PairFunction.Multiply, x[0]!, r.HardSigmoid(n, x[0]!, 1f / 6, 0.5f))]),
        new("PRelu", (r, n, x) =>
        {
            // max(x, 0) + slope min(x, 0).
            var negative = r.Mapped(n, x[0]!, t => r._b.Scale(r._b.Relu(r._b.Scale(t, -1)), -1));
            return [r.Paired(n, PairFunction.Add, r.Mapped(n, x[0]!, t => r._b.Relu(t)), r.Paired(n, PairFunction.Multiply, negative, x[1]!))];
        }),
        new("Neg", (r, n, x) => [r.Times(n, x[0]!, -1)]),
        new("Clip", (r, n, x) =>
        {
            float low = n.Real("min", float.MinValue), high = n.Real("max", float.MaxValue);
            if (Optional(n, x, 1, "lower bound") is { } lower) low = lower.Reals()[0];
            if (Optional(n, x, 2, "upper bound") is { } upper) high = upper.Reals()[0];
            return [r.Mapped(n, x[0]!, t => r._b.Clamp(t, low, high))];
        }),
        new("Pow", (r, n, x) => [r.Power(n, x[0]!, Required(n, x, 1, "exponent"))]),
        new("Add", (r, n, x) => [r.Paired(n, PairFunction.Add, x[0]!, x[1]!)]),
        new("Sub", (r, n, x) => [r.Paired(n, PairFunction.Subtract, x[0]!, x[1]!)]),
        new("Mul", (r, n, x) => [r.Paired(n, PairFunction.Multiply, x[0]!, x[1]!)]),
        new("Div", (r, n, x) => [r.Paired(n, PairFunction.Divide, x[0]!, x[1]!)]),
        new("Max", (r, n, x) => [x.Skip(1).Aggregate(x[0]!, (a, c) => r.Paired(n, PairFunction.Max, a, c!))]),
        new("Min", (r, n, x) => [x.Skip(1).Aggregate(x[0]!, (a, c) => r.Paired(n, PairFunction.Min, a, c!))]),
        new("Sum", (r, n, x) => [x.Skip(1).Aggregate(x[0]!, (a, c) => r.Paired(n, PairFunction.Add, a, c!))]),
        new("Mean", (r, n, x) => [r.Times(n, x.Skip(1).Aggregate(x[0]!, (a, c) => r.Paired(n, PairFunction.Add, a, c!)), 1f / x.Length)]),
        new("Where", (r, n, x) => [r.Where(n, Required(n, x, 0, "condition"), x[1]!, x[2]!)]),
    ];

    private static KeyValuePair<string, Func<GraphRecorder, OnnxNode, Value?[], Value[]>> Function(string name, ElementFunction function, float alpha = 1) =>
        new(name, (r, n, x) => [r.Mapped(n, x[0]!, t => r._b.Apply(function, t, n.Real("alpha", alpha)))]);

    private Value Mapped(OnnxNode node, Value x, Func<Tensor, Tensor> map)
    {
        if (x.Constant is not null) x = Laid(x, Ascending(x.Rank));
        return Like(node, x, map(x.Tensor!));
    }

    private Value Times(OnnxNode node, Value x, float factor) => factor == 1 ? x : Mapped(node, x, t => _b.Scale(t, factor));

    private Value Plus(OnnxNode node, Value x, float addend) => Paired(node, PairFunction.Add, x, Value.Of(node.Outputs[0] + ".addend", new Constant([], [addend])));

    private Value HardSigmoid(OnnxNode node, Value x, float alpha, float beta) => Mapped(node, Plus(node, Times(node, x, alpha), beta), t => _b.Clamp(t, 0, 1));

    private Value Power(OnnxNode node, Value x, Constant exponent)
    {
        float[] powers = exponent.Reals();
        float p = powers.Length > 0 && powers.All(v => v == powers[0]) ? powers[0] : throw node.Error("a power of one exponent for all elements is recorded");
        var value = x.Constant is null ? x : Laid(x, Ascending(x.Rank));
        Tensor t = value.Tensor!, squared = p is 2 or 3 or 4 ? _b.Combine(PairFunction.Multiply, t, t) : t;
        return Like(node, value, p switch
        {
            0.5f => _b.Apply(ElementFunction.Sqrt, t),
            -0.5f => _b.Apply(ElementFunction.Reciprocal, _b.Apply(ElementFunction.Sqrt, t)),
            -1 => _b.Apply(ElementFunction.Reciprocal, t),
            1 => t,
            2 => squared,
            3 => _b.Combine(PairFunction.Multiply, squared, t),
            4 => _b.Combine(PairFunction.Multiply, squared, squared),
            _ => throw node.Error($"the power {p} is not recorded; -1, -0.5, 0.5, 1, 2, 3 and 4 are"),
        });
    }

    /// <summary>Two values of extents that are equal or 1, in the order of the larger one.</summary>
    private Value Paired(OnnxNode node, PairFunction function, Value left, Value right)
    {
        int[] dims = Shapes.Broadcast(node, left.Dims, right.Dims);
        bool images = (left.HasImages && left.Rank == dims.Length) || (right.HasImages && right.Rank == dims.Length);
        if (right.Constant is { Count: 1 } scalar && left.Constant is null && left.Rank == dims.Length && function is PairFunction.Multiply or PairFunction.Divide)
            return Times(node, left, function == PairFunction.Multiply ? scalar.Reals()[0] : 1 / scalar.Reals()[0]);
        if (left.Constant is { Count: 1 } factor && right.Constant is null && right.Rank == dims.Length && function == PairFunction.Multiply) return Times(node, right, factor.Reals()[0]);
        (left, right) = (WithRank(left, dims.Length), WithRank(right, dims.Length));
        var lead = left.Constant is not null || (right.Constant is null && right.Count > left.Count) ? right : left;
        int[] order = lead.Constant is null ? lead.Order : Ascending(dims.Length);
        // A constant that one axis or none matters of lies as it is stored.
        Tensor a = Laid(left, order).Tensor!, c = Laid(right, order).Tensor!;
        if (left.Count == right.Count && left.Dims.SequenceEqual(right.Dims))
            return Result(node, function == PairFunction.Add ? _b.Add(_b.Reshape(a, c.Shape), c) : _b.Combine(function, _b.Reshape(a, new Shape((int)left.Count)), _b.Reshape(c, new Shape((int)left.Count))), dims, order, images);
        var groups = new List<(int Left, int Right)>();
        (bool, bool)? before = null;
        foreach (int axis in order)
        {
            int l = left.Dims[axis], r = right.Dims[axis];
            if (l == 1 && r == 1) continue;
            if (before == (l > 1, r > 1)) groups[^1] = (groups[^1].Left * l, groups[^1].Right * r);
            else groups.Add((l, r));
            before = (l > 1, r > 1);
        }
        if (groups.Count > 4) throw node.Error($"{left} and {right} are repeated along each other's axes in turn, more often than is recorded");
        var y = _b.Combine(function, _b.Reshape(a, Shape.Of([.. groups.Select(g => g.Left)])), _b.Reshape(c, Shape.Of([.. groups.Select(g => g.Right)])));
        return Result(node, y, dims, order, images);
    }

    private Value Where(OnnxNode node, Constant condition, Value yes, Value no)
    {
        long[] chosen = condition.Integers();
        int[] dims = Shapes.Broadcast(node, condition.Dims, Shapes.Broadcast(node, yes.Dims, no.Dims));
        if (chosen.All(c => c != 0)) return Expanded(node, yes, dims);
        if (chosen.All(c => c == 0)) return Expanded(node, no, dims);
        var mask = Value.Of(node.Outputs[0] + ".mask", new Constant(condition.Dims, [.. chosen.Select(c => c != 0 ? 1f : 0f)]));
        var rest = Value.Of(node.Outputs[0] + ".rest", new Constant(condition.Dims, [.. chosen.Select(c => c != 0 ? 0f : 1f)]));
        return Paired(node, PairFunction.Add, Masked(node, mask, yes), Masked(node, rest, no));
    }

    /// <summary>A value where the mask is 1, else 0; a constant is masked here, for it may hold an infinity, which times 0 is no number.</summary>
    private Value Masked(OnnxNode node, Value mask, Value value)
    {
        if (value.Constant is not { } constant) return Paired(node, PairFunction.Multiply, value, mask);
        if (constant.Count == 1)
        {
            float v = constant.Reals()[0];
            return Value.Of(mask.Name + ".value", new Constant(mask.Dims, [.. mask.Constant!.Reals().Select(m => m != 0 ? v : 0)]));
        }
        return constant.Reals().All(float.IsFinite) ? Paired(node, PairFunction.Multiply, value, mask) : throw node.Error("it chooses among infinities");
    }
}
