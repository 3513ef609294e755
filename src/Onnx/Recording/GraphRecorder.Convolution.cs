using NativeDiffusion.Kernels;
using NativeDiffusion.Onnx.Graphs;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Onnx.Recording;

// Convolutions, with what follows them: BatchNormalization becomes part of the weight, a residual and an activation part of the op.
internal sealed partial class GraphRecorder
{
    // Groups of at least as many channels are convolved one by one; smaller ones together, with zeros between.
    private const int SmallestGroup = 4;

    private static IEnumerable<KeyValuePair<string, Func<GraphRecorder, OnnxNode, Value?[], Value[]>>> Convolutions =>
    [
        new("Conv", (r, n, x) => [r.Convolved(n, x)]),
        new("ConvTranspose", (r, n, x) => [r.ConvolvedTransposed(n, x)]),
    ];

    private Value Convolved(OnnxNode node, Value?[] x)
    {
        var weight = Required(node, x, 1, "weight");
        var bias = Optional(node, x, 2, "bias");
        if (weight.Dims.Length == 3)
        {
            // One direction of two, of which the first is a single row.
            var line = Reshaped(node, x[0]!, [x[0]!.Dims[0], x[0]!.Dims[1], 1, x[0]!.Dims[2]]);
            var y = Convolution(node, line, weight.WithDims([weight.Dims[0], weight.Dims[1], 1, weight.Dims[2]]), bias, Window.Of(node, [1, line.Dims[3]], [1, weight.Dims[2]]));
            return Reshaped(node, y, [y.Dims[0], y.Dims[1], y.Dims[3]]);
        }
        if (weight.Dims.Length != 4 || x[0]!.Rank != 4) throw node.Error($"{x[0]} and a weight [{string.Join(", ", weight.Dims)}] are no convolution of one or two directions, which alone are recorded");
        return Convolution(node, x[0]!, weight, bias, Window.Of(node, x[0]!.Dims[2..], weight.Dims[2..]));
    }

    private Value Convolution(OnnxNode node, Value x, Constant weight, Constant? bias, Window window)
    {
        int groups = checked((int)node.Integer("group", 1)), to = weight.Dims[0], from = weight.Dims[1];
        if (groups < 1 || from * groups != x.Dims[1] || to % groups != 0 || (bias is not null && bias.Count != to))
            throw node.Error($"{x}, a weight [{string.Join(", ", weight.Dims)}] and {groups} groups do not go together");
        string output = node.Outputs[0], key = output;
        // What is behind it, as long as nothing else reads the results between.
        Func<float[]> factors = () => [.. Enumerable.Repeat(1f, to)], shifts = () => bias?.Reals() ?? new float[to];
        bool shifted = bias is not null;
        if (Next(output, "BatchNormalization") is { } norm && norm.Inputs.Skip(1).All(i => _values.GetValueOrDefault(i)?.Constant is not null) && norm.Inputs.Length >= 5)
        {
            var affine = Affine.Of(norm, [.. norm.Inputs.Skip(1).Select(i => _values[i].Constant!)], to);
            var before = shifts;
            factors = affine.Factors;
            shifts = () => [.. affine.Factors().Zip(before(), (f, v) => (double)f * v).Zip(affine.Shifts(), (v, s) => (float)(v + s))];
            (output, shifted) = (Absorb(norm), true);
        }
        Value? residual = null;
        bool plain = groups == 1 && window.Stride.Y == window.Stride.X;
        int[] dims = [x.Dims[0], to, window.Outputs.Y, window.Outputs.X];
        if (plain && Next(output, "Add") is { } sum && sum.Inputs.FirstOrDefault(i => i != output) is { } other
            && _values.GetValueOrDefault(other) is { Constant: null } known && known.Dims.SequenceEqual(dims))
            (residual, output) = (known, Absorb(sum));
        string? activation = plain && Next(output, "Relu") is { } relu ? output = Absorb(relu) : null;
        var y = FromImages(node, Convolution(node, Images(x), weight, window, groups, (key, factors, shifted ? shifts : null), residual is null ? null : Images(residual), activation is not null), x.HasImages);
        Set(output, y);
        return y;
    }

    private Tensor Convolution(
        OnnxNode node, Tensor x, Constant weight, Window window, int groups, (string Key, Func<float[]> Factors, Func<float[]>? Shifts) affine, Tensor? residual, bool relu)
    {
        int to = weight.Dims[0], from = weight.Dims[1], rows = weight.Dims[2], columns = weight.Dims[3];
        var bias = affine.Shifts is null ? null : _weights.Weight(_b, affine.Key + ".bias", new Shape(to), affine.Shifts);
        // [O,I,Kh,Kw] as stored, times the factors.
        float[] Scaled()
        {
            float[] w = [.. weight.Reals()], factors = affine.Factors();
            int each = w.Length / to;
            for (int i = 0; i < w.Length; i++) w[i] *= factors[i / each];
            return w;
        }
        if (groups > 1 && from == 1)
        {
            // Several filters for each channel are one for each of as many copies.
            if (to != groups)
                x = _b.Reshape(_b.Resample(_b.Reshape(x, new Shape((int)(x.Count / groups), groups, 1)), 1, ResampleTable.FromWeights(groups, to, i =>
                {
                    double[] row = new double[groups];
                    row[i / (to / groups)] = 1;
                    return row;
                })), new Shape(x.Shape[0], x.Shape[1], x.Shape[2], to));
            var filters = _weights.Weight(_b, affine.Key + ".weight", new Shape(rows, columns, to), () => Moved(Scaled(), [to, rows, columns], [1, 2, 0]));
            return _b.DepthwiseConv2d(x, filters, bias, new DepthwiseConv2dOptions { Stride = window.Stride, Dilation = window.Dilation, Padding = window.Before, EndPadding = window.After });
        }
        bool separate = groups > 1 && from >= SmallestGroup;
        int tapsY = (rows - 1) * window.Dilation.Y + 1, tapsX = (columns - 1) * window.Dilation.X + 1, parts = separate ? groups : 1, together = groups / parts;
        RequireTaps(node, tapsY, tapsX);
        // [O,Kh,Kw,I], zeros between the taps of a dilated filter and outside a channel's group.
        float[] Spread(int part)
        {
            float[] w = Scaled(), spread = new float[checked(to / parts * tapsY * tapsX * from * together)];
            for (int o = 0; o < to / parts; o++)
                for (int i = 0; i < from; i++)
                    for (int a = 0; a < rows; a++)
                        for (int c = 0; c < columns; c++)
                            spread[((o * tapsY + a * window.Dilation.Y) * tapsX + c * window.Dilation.X) * from * together + o / (to / parts / together) * from + i]
                                = w[(((part * (to / parts) + o) * from + i) * rows + a) * columns + c];
            return spread;
        }
        var (before, after, stride) = (window.Before, window.After, window.Stride);
        if (before.Y != before.X || after.Y != after.X)
        {
            x = Bordered(Bordered(x, 1, before.Y, after.Y), 2, before.X, after.X);
            (before, after) = ((0, 0), (0, 0));
        }
        bool uneven = stride.Y != stride.X;
        var options = new Conv2dOptions
        {
            Stride = uneven ? 1 : stride.Y, Padding = before.Y, EndPadding = after.Y, Residual = uneven ? null : residual,
            Relu = relu && !uneven && double.IsPositiveInfinity(_softplusBeta), SoftplusBeta = relu && !uneven && !double.IsPositiveInfinity(_softplusBeta) ? (float)_softplusBeta : null,
        };
        var results = Enumerable.Range(0, parts).Select(part =>
        {
            var filter = _weights.Weight(_b, parts == 1 ? affine.Key + ".weight" : $"{affine.Key}.weight.{part}", new Shape(to / parts, tapsY, tapsX, from * together), () => Spread(part));
            return _b.Conv2d(parts == 1 ? x : _b.Slice(x, part * from, from), filter, parts == 1 ? bias : null, options);
        }).ToList();
        while (results.Count > 1) results = [.. results.Chunk(2).Select(pair => pair.Length == 2 ? _b.Concat(pair[0], pair[1]) : pair[0])];
        var y = results[0];
        if (parts > 1 && bias is not null) y = _b.Combine(PairFunction.Add, y, _b.Reshape(bias, new Shape(1, 1, 1, to)));
        if (!uneven) return y;
        return EveryOther(EveryOther(y, 1, stride.Y), 2, stride.X);
    }

    /// <summary>The gradient of a convolution towards its input: zeros between the pixels, then a convolution by the mirrored filter.</summary>
    private Value ConvolvedTransposed(OnnxNode node, Value?[] x)
    {
        var weight = Required(node, x, 1, "weight");
        var bias = Optional(node, x, 2, "bias");
        int groups = checked((int)node.Integer("group", 1));
        if (weight.Dims.Length != 4 || x[0]!.Rank != 4 || groups != 1) throw node.Error("transposed convolutions of one group and two directions are recorded");
        int from = weight.Dims[0], to = weight.Dims[1], rows = weight.Dims[2], columns = weight.Dims[3];
        var window = Window.OfTransposed(node, x[0]!.Dims[2..], weight.Dims[2..]);
        int tapsY = (rows - 1) * window.Dilation.Y + 1, tapsX = (columns - 1) * window.Dilation.X + 1;
        var images = Spaced(Spaced(Images(x[0]!), 1, window.Stride.Y), 2, window.Stride.X);
        images = Bordered(Bordered(images, 1, tapsY - 1 - window.Before.Y, tapsY - 1 - window.After.Y), 2, tapsX - 1 - window.Before.X, tapsX - 1 - window.After.X);
        var filter = _weights.Weight(_b, node.Outputs[0] + ".weight", new Shape(to, tapsY, tapsX, from), () =>
        {
            float[] w = weight.Reals(), mirrored = new float[to * tapsY * tapsX * from];
            for (int i = 0; i < from; i++)
                for (int o = 0; o < to; o++)
                    for (int a = 0; a < rows; a++)
                        for (int c = 0; c < columns; c++)
                            mirrored[((o * tapsY + tapsY - 1 - a * window.Dilation.Y) * tapsX + tapsX - 1 - c * window.Dilation.X) * from + i] = w[((i * to + o) * rows + a) * columns + c];
            return mirrored;
        });
        var shift = bias is null ? null : _weights.Weight(_b, node.Outputs[0] + ".bias", new Shape(to), bias.Reals);
        return FromImages(node, _b.Conv2d(images, filter, shift, new Conv2dOptions { Padding = 0 }), x[0]!.HasImages);
    }

    /// <summary>Zeros around an axis of images, or, where their number is negative, less of it.</summary>
    private Tensor Bordered(Tensor x, int axis, int before, int after)
    {
        int extent = x.Shape[axis], count = extent + before + after;
        return before == 0 && after == 0 ? x : _b.Resample(x, axis, ResampleTable.FromWeights(extent, count, i => Single(extent, i - before)));
    }

    /// <summary>Zeros between the pixels of an axis.</summary>
    private Tensor Spaced(Tensor x, int axis, int stride) => stride == 1 ? x
        : _b.Resample(x, axis, ResampleTable.FromWeights(x.Shape[axis], (x.Shape[axis] - 1) * stride + 1, i => Single(x.Shape[axis], i % stride == 0 ? i / stride : -1)));

    private Tensor EveryOther(Tensor x, int axis, int stride) => stride == 1 ? x
        : _b.Resample(x, axis, ResampleTable.FromWeights(x.Shape[axis], (x.Shape[axis] - 1) / stride + 1, i => Single(x.Shape[axis], i * stride)));

    private static double[] Single(int extent, int at)
    {
        double[] row = new double[extent];
        if (at >= 0 && at < extent) row[at] = 1;
        return row;
    }

    private static void RequireTaps(OnnxNode node, int rows, int columns)
    {
        if (rows > 255 || columns > 255) throw node.Error($"a filter that reaches over {rows} x {columns} pixels is larger than any that is recorded");
    }
}
