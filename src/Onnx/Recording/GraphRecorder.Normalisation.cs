using NativeDiffusion.Kernels;
using NativeDiffusion.Onnx.Graphs;

namespace NativeDiffusion.Onnx.Recording;

internal sealed partial class GraphRecorder
{
    private static IEnumerable<KeyValuePair<string, Func<GraphRecorder, OnnxNode, Value?[], Value[]>>> Normalisations =>
    [
        new("BatchNormalization", (r, n, x) => [r.BatchNormalised(n, x)]),
        new("InstanceNormalization", (r, n, x) => [r.GroupNormalised(n, x, x[0]!.Dims[1], 1e-5f)]),
        new("GroupNormalization", (r, n, x) => [r.GroupNormalised(n, x, checked((int)n.Integer("num_groups", 1)), 1e-5f)]),
        new("LayerNormalization", (r, n, x) => [r.LayerNormalised(n, x)]),
        new("LpNormalization", (r, n, x) =>
        {
            if (n.Integer("p", 2) != 2) throw n.Error("norms of p = 2 are recorded");
            var last = r.WithLast(x[0]!, x[0]!.Axis(n, n.Integer("axis", -1)));
            int extent = last.Laid()[^1];
            return [Like(n, last, r._b.L2Normalize(r._b.Reshape(last.Tensor!, new Shape((int)(last.Count / extent), extent))))];
        }),
        new("Softmax", (r, n, x) => [r.Softmax(n, x[0]!, logarithm: false)]),
        new("LogSoftmax", (r, n, x) => [r.Softmax(n, x[0]!, logarithm: true)]),
    ];

    /// <summary>One that no convolution is in front of: a factor and a shift for each channel.</summary>
    private Value BatchNormalised(OnnxNode node, Value?[] x)
    {
        int channels = x[0]!.Rank > 1 ? x[0]!.Dims[1] : throw node.Error($"{x[0]} has no channels");
        var affine = Affine.Of(node, [.. Enumerable.Range(1, 4).Select(i => Required(node, x, i, "vector"))], channels);
        var value = Laid(x[0]!, ChannelsLast(x[0]!.Rank));
        string key = node.Outputs[0];
        var y = _b.DepthwiseConv2d(
            _b.Reshape(value.Tensor!, new Shape(value.Dims[0], 1, (int)(value.Count / value.Dims[0] / channels), channels)),
            _weights.Weight(_b, key + ".weight", new Shape(1, 1, channels), affine.Factors), _weights.Weight(_b, key + ".bias", new Shape(channels), affine.Shifts));
        return Like(node, value, y);
    }

    private Value GroupNormalised(OnnxNode node, Value?[] x, int groups, float epsilon)
    {
        int channels = x[0]!.Dims[1];
        Constant scale = Required(node, x, 1, "scale"), shift = Required(node, x, 2, "shift");
        if (groups < 1 || channels % groups != 0 || scale.Count != shift.Count || (scale.Count != channels && scale.Count != groups)) throw node.Error($"{groups} groups and {scale.Count} scales do not go with {x[0]}");
        int each = (int)(channels / scale.Count);
        float[] PerChannel(Constant c) => [.. c.Reals().SelectMany(v => Enumerable.Repeat(v, each))];
        var value = Laid(x[0]!, ChannelsLast(x[0]!.Rank));
        var images = _b.Reshape(value.Tensor!, new Shape(value.Dims[0], (int)(value.Count / value.Dims[0] / channels), channels));
        return Like(node, value, _b.GroupNorm(
            images, _weights.Weight(_b, node.Outputs[0] + ".scale", new Shape(channels), () => PerChannel(scale)),
            _weights.Weight(_b, node.Outputs[0] + ".shift", new Shape(channels), () => PerChannel(shift)), groups, node.Real("epsilon", epsilon)));
    }

    private Value LayerNormalised(OnnxNode node, Value?[] x)
    {
        var value = x[0]!;
        int axis = value.Axis(node, node.Integer("axis", -1)), length = Product(value.Dims.AsSpan(axis));
        Constant scale = Required(node, x, 1, "scale");
        var shift = Optional(node, x, 2, "shift");
        if (scale.Count != length || (shift is not null && shift.Count != length)) throw node.Error($"{scale.Count} scales do not go with {value} from axis {axis} on");
        // The axes in front may lie in any order.
        int[] order = value.Constant is null && axis == value.Rank - 1 ? [.. value.Order.Where(a => a != axis), axis] : Ascending(value.Rank);
        var laid = Laid(value, order);
        return Like(node, laid, _b.LayerNorm(
            _b.Reshape(laid.Tensor!, new Shape((int)(laid.Count / length), length)), _weights.Weight(_b, node.Outputs[0] + ".scale", new Shape(length), scale.Reals),
            shift is null ? null : _weights.Weight(_b, node.Outputs[0] + ".shift", new Shape(length), shift.Reals), node.Real("epsilon", 1e-5f)));
    }

    private Value Softmax(OnnxNode node, Value x, bool logarithm)
    {
        int axis = x.Axis(node, node.Integer("axis", node.Opset < 13 ? 1 : -1));
        Value laid;
        int length;
        if (node.Opset < 13 && Product(x.Dims.AsSpan(axis + 1)) != 1)
        {
            // Of old, everything from the axis on is one row.
            (laid, length) = (Laid(x, Ascending(x.Rank)), Product(x.Dims.AsSpan(axis)));
        }
        else
        {
            laid = WithLast(x, axis);
            length = x.Dims[axis];
        }
        KeepImagesApart(node, x, axis);
        var y = _b.LogSoftmax(_b.Reshape(laid.Tensor!, new Shape((int)(laid.Count / length), length)));
        return Like(node, laid, logarithm ? y : _b.Apply(ElementFunction.Exp, y));
    }

    /// <summary>The value with an axis innermost, the others as they are.</summary>
    private Value WithLast(Value x, int axis) => Laid(x, [.. (x.Constant is null ? x.Order : Ascending(x.Rank)).Where(a => a != axis), axis]);
}
