using NativeDiffusion.Kernels;
using NativeDiffusion.Onnx.Graphs;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Onnx.Recording;

internal sealed partial class GraphRecorder
{
    private static IEnumerable<KeyValuePair<string, Func<GraphRecorder, OnnxNode, Value?[], Value[]>>> Products =>
    [
        new("Gemm", (r, n, x) => [r.Gemm(n, x)]),
        new("MatMul", (r, n, x) => [r.Multiplied(n, x[0]!, x[1]!)]),
        new("Einsum", (r, n, x) => [r.Summed(n, x)]),
    ];

    private Value Gemm(OnnxNode node, Value?[] x)
    {
        Value left = x[0]!, right = x[1]!;
        if (left.Rank != 2 || right.Rank != 2) throw node.Error($"{left} and {right} are no matrices");
        float alpha = node.Real("alpha", 1), beta = node.Real("beta", 1);
        if (node.Integer("transA", 0) != 0) left = Transposed(node, left, [1, 0]);
        bool transposed = node.Integer("transB", 0) != 0;
        int to = right.Dims[transposed ? 0 : 1], from = right.Dims[transposed ? 1 : 0];
        var added = x.ElementAtOrDefault(2);
        if (right.Constant is { } weight)
        {
            var w = _weights.Weight(_b, node.Outputs[0] + ".weight", new Shape(to, from), () => Scaled(Moved(weight.Reals(), weight.Dims, transposed ? [0, 1] : [1, 0]), alpha));
            bool vector = added?.Constant is { } c && c.Count == to;
            var bias = vector ? _weights.Weight(_b, node.Outputs[0] + ".bias", new Shape(to), () => Scaled(added!.Constant!.Reals(), beta)) : null;
            var y = Result(node, _b.Linear(_b.Reshape(Plain(left), new Shape(left.Dims[0], left.Dims[1])), w, bias), [left.Dims[0], to], left.HasImages);
            return added is null || vector ? y : Paired(node, PairFunction.Add, y, Times(node, added, beta));
        }
        var product = Multiplied(node, left, transposed ? Transposed(node, right, [1, 0]) : right);
        if (alpha != 1) product = Times(node, product, alpha);
        return added is null ? product : Paired(node, PairFunction.Add, product, Times(node, added, beta));
    }

    private Value Multiplied(OnnxNode node, Value left, Value right)
    {
        if (right.Constant is { } weight && right.Rank == 2 && left.Rank > 1)
        {
            int from = right.Dims[0], to = right.Dims[1], last = left.Rank - 1;
            if (left.Dims[last] != from) throw node.Error($"{left} and {right} do not go together");
            var laid = WithLast(left, last);
            string output = node.Outputs[0];
            Tensor? bias = null;
            if (Next(output, "Add") is { } sum && sum.Inputs.FirstOrDefault(i => i != output) is { } other && _values.GetValueOrDefault(other)?.Constant is { } shift && shift.Count == to && shift.Dims is [.., var end] && end == to)
                (bias, output) = (_weights.Weight(_b, node.Outputs[0] + ".bias", new Shape(to), shift.Reals), Absorb(sum));
            var w = _weights.Weight(_b, node.Outputs[0] + ".weight", new Shape(to, from), () => Moved(weight.Reals(), weight.Dims, [1, 0]));
            var y = _b.Linear(_b.Reshape(laid.Tensor!, new Shape((int)(laid.Count / from), from)), w, bias);
            var result = Result(node, y, [.. left.Dims[..last], to], laid.Order, left.HasImages);
            Set(output, result);
            return result;
        }
        // A vector is a matrix of one row on the left, of one column on the right.
        bool row = left.Rank == 1, column = right.Rank == 1;
        if (row) left = Reshaped(node, left, [1, left.Dims[0]]);
        if (column) right = Reshaped(node, right, [right.Dims[0], 1]);
        int rank = Math.Max(left.Rank, right.Rank);
        (left, right) = (WithRank(left, rank), WithRank(right, rank));
        if (left.Dims[^1] != right.Dims[^2]) throw node.Error($"{left} and {right} do not go together");
        int[] stack = Shapes.Broadcast(node, left.Dims[..^2], right.Dims[..^2]), dims = [.. stack, left.Dims[^2], right.Dims[^1]];
        left = Expanded(node, left, [.. stack, left.Dims[^2], left.Dims[^1]]);
        right = Expanded(node, right, [.. stack, right.Dims[^2], right.Dims[^1]]);
        // Keys are mostly transposed ones.
        bool transposed = right.Constant is null && Array.IndexOf(right.Order, rank - 1) < Array.IndexOf(right.Order, rank - 2);
        int count = Product(stack), inner = left.Dims[^1];
        int[] swapped = [.. Ascending(rank - 2), rank - 1, rank - 2];
        var a = Shaped(left, Ascending(rank), count, left.Dims[^2], inner);
        var c = transposed ? Shaped(right, swapped, count, right.Dims[^1], inner) : Shaped(right, Ascending(rank), count, inner, right.Dims[^1]);
        var product = Result(node, _b.MatMul(a, c, transposed), dims, left.HasImages || right.HasImages);
        return row || column ? Reshaped(node, product, [.. stack, .. row ? Array.Empty<int>() : [dims[^2]], .. column ? Array.Empty<int>() : [dims[^1]]]) : product;
    }

    /// <summary>Two tensors, summed over the letters that the result lacks: a stack of products.</summary>
    private Value Summed(OnnxNode node, Value?[] x)
    {
        string equation = node.Text("equation", "").Replace(" ", "", StringComparison.Ordinal);
        string[] sides = equation.Split("->"), operands = sides[0].Split(',');
        string result = sides.Length == 2 ? sides[1] : string.Concat(sides[0].Where(char.IsLetter).GroupBy(c => c).Where(g => g.Count() == 1).Select(g => g.Key).Order());
        if (operands.Length != 2 || x.Length != 2 || operands.Concat([result]).Any(o => o.Any(c => !char.IsLetter(c)) || o.Distinct().Count() < o.Length) || operands[0].Length != x[0]!.Rank || operands[1].Length != x[1]!.Rank)
            throw node.Error($"'{equation}' is recorded for two operands of different letters each; write it as MatMul and Transpose");
        string both = string.Concat(operands[0].Where(operands[1].Contains)), stack = string.Concat(both.Where(result.Contains)), inner = string.Concat(both.Where(c => !result.Contains(c)));
        string rows = string.Concat(operands[0].Where(c => !both.Contains(c))), columns = string.Concat(operands[1].Where(c => !both.Contains(c)));
        if ((rows + columns).Any(c => !result.Contains(c)) || result.Any(c => !(stack + rows + columns).Contains(c))) throw node.Error($"'{equation}' sums over a letter of one operand alone; reduce it before");
        var extents = operands.Zip(x, (letters, value) => letters.Zip(value!.Dims)).SelectMany(pairs => pairs).GroupBy(p => p.First).ToDictionary(g => g.Key, g => g.Max(p => p.Second));
        int Count(string letters) => Product([.. letters.Select(c => extents[c])]);
        Tensor Arranged(Value value, string letters, string middle) => Shaped(value, [.. (stack + middle + inner).Select(c => letters.IndexOf(c))], Count(stack), Count(middle), Count(inner));
        if (x.Zip(operands).Any(p => p.Second.Zip(p.First!.Dims).Any(q => q.Second != extents[q.First]))) throw node.Error($"{x[0]} and {x[1]} do not go with '{equation}'");
        var product = _b.MatMul(Arranged(x[0]!, operands[0], rows), Arranged(x[1]!, operands[1], columns), transposed: true);
        string made = stack + rows + columns;
        return Result(node, product, [.. result.Select(c => extents[c])], [.. made.Select(c => result.IndexOf(c))],
            result.Length > 0 && ((x[0]!.HasImages && operands[0][0] == result[0]) || (x[1]!.HasImages && operands[1][0] == result[0])));
    }

    private static float[] Scaled(float[] values, float factor) => factor == 1 ? values : [.. values.Select(v => v * factor)];
}
