using NativeDiffusion.Kernels;
using NativeDiffusion.Onnx.Graphs;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Onnx.Recording;

internal sealed partial class GraphRecorder
{
    private static IEnumerable<KeyValuePair<string, Func<GraphRecorder, OnnxNode, Value?[], Value[]>>> Pools =>
    [
        new("MaxPool", (r, n, x) => [r.Pooled(n, x[0]!, maximum: true)]),
        new("AveragePool", (r, n, x) => [r.Pooled(n, x[0]!, maximum: false)]),
        new("GlobalAveragePool", (r, n, x) => [r.Averaged(n, x[0]!, [.. Enumerable.Range(2, x[0]!.Rank - 2)], keep: true, mean: true)]),
        new("GlobalMaxPool", (r, n, x) => [r.Extreme(n, x[0]!, [.. Enumerable.Range(2, x[0]!.Rank - 2)], keep: true, PairFunction.Max)]),
        new("Resize", (r, n, x) => [r.Resized(n, x)]),
        new("Upsample", (r, n, x) => [r.Resized(n, x)]),
    ];

    private Value Pooled(OnnxNode node, Value x, bool maximum)
    {
        if (x.Rank == 3)
        {
            var line = Pooled(node, Reshaped(node, x, [x.Dims[0], x.Dims[1], 1, x.Dims[2]]), maximum);
            return Reshaped(node, line, [line.Dims[0], line.Dims[1], line.Dims[3]]);
        }
        if (x.Rank != 4) throw node.Error($"pools of one and two directions are recorded, and this is {x}");
        long[] kernel = node.Integers("kernel_shape") ?? throw node.Error("it has no kernel_shape");
        if (kernel.Length == 1) kernel = [1, kernel[0]];
        if (kernel.Length != 2 || kernel.Any(k => k is < 1 or > 4096)) throw node.Error($"its window is {string.Join(" x ", kernel)}");
        var window = Window.Of(node, x.Dims[2..], [(int)kernel[0], (int)kernel[1]]);
        if (node.Outputs.Length > 1 && node.Outputs[1].Length > 0 && _graph.OnlyUser(node.Outputs[1]) is not null) throw node.Error("the places of the maxima are not recorded; leave out what reads them");
        int rows = x.Dims[2], columns = x.Dims[3];
        var images = Images(x);
        if (!maximum)
        {
            if (window.Outputs == (1, 1) && window.Taps == (rows, columns) && window.Before == (0, 0)) return Averaged(node, x, [2, 3], keep: true, mean: true);
            bool padded = node.Integer("count_include_pad", 0) != 0;
            images = _b.Resample(images, 1, Mean(rows, window.Outputs.Y, window.Taps.Y, window.Stride.Y, window.Dilation.Y, window.Before.Y, window.After.Y, padded));
            return FromImages(node, _b.Resample(images, 2, Mean(columns, window.Outputs.X, window.Taps.X, window.Stride.X, window.Dilation.X, window.Before.X, window.After.X, padded)), x.HasImages);
        }
        var (stride, padding) = (window.Stride, window.Before);
        if (window.Taps == (3, 3) && window.Dilation == (1, 1) && stride is (1, 1) or (2, 2) && padding is (0, 0) or (1, 1)
            && Math.Min(rows, columns) >= 3 - 2 * padding.Y
            && window.Outputs == ((rows + 2 * padding.Y - 3) / stride.Y + 1, (columns + 2 * padding.X - 3) / stride.X + 1))
            return FromImages(node, _b.MaxPool3x3(images, stride.Y, padding.Y), x.HasImages);
        images = Maxima(node, images, 1, window.Outputs.Y, window.Taps.Y, window.Stride.Y, window.Dilation.Y, window.Before.Y);
        return FromImages(node, Maxima(node, images, 2, window.Outputs.X, window.Taps.X, window.Stride.X, window.Dilation.X, window.Before.X), x.HasImages);
    }

    /// <summary>
    /// The means of windows along one axis. With padding counted, the divisor is the part of the window inside the padded image; without, that inside the image. Both
    /// are products of the two directions, so one direction after the other is exact.
    /// </summary>
    private static ResampleTable Mean(int extent, int outputs, int taps, int stride, int dilation, int before, int after, bool padded) => ResampleTable.FromWeights(extent, outputs, i =>
    {
        double[] row = new double[extent];
        int[] places = [.. Enumerable.Range(0, taps).Select(t => i * stride + t * dilation - before)];
        double divisor = padded ? places.Count(p => p < extent + after) : places.Count(p => p >= 0 && p < extent);
        foreach (int place in places)
            if (place >= 0 && place < extent)
                row[place] += 1 / divisor;
        return row;
    });

    /// <summary>The maxima of windows along one axis: one tap after the other; a tap outside the image takes the window's first inside.</summary>
    private Tensor Maxima(OnnxNode node, Tensor images, int axis, int outputs, int taps, int stride, int dilation, int before)
    {
        int extent = images.Shape[axis];
        RequireTable(node, extent, outputs);
        if (taps > 256) throw node.Error($"a window of {taps} taps is larger than any that is recorded");
        Tensor? best = null;
        for (int t = 0; t < taps; t++)
        {
            int tap = t;
            int At(int i)
            {
                int place = i * stride + tap * dilation - before;
                if (place >= 0 && place < extent) return place;
                int first = i * stride - before;
                while (first < 0) first += dilation;
                return first < extent ? first : throw node.Error("a window lies outside the image");
            }
            var taken = _b.Resample(images, axis, ResampleTable.FromWeights(extent, outputs, i => Single(extent, At(i))));
            best = best is null ? taken : _b.Combine(PairFunction.Max, taken, best);
        }
        return best!;
    }

    private Value Resized(OnnxNode node, Value?[] x)
    {
        var value = x[0]!;
        bool old = node.Opset < 11;
        int last = old ? 1 : 2;
        var scales = x.ElementAtOrDefault(last) is null && node.Reals("scales") is { } given ? new Constant([given.Length], given) : Optional(node, x, last, "scales");
        var sizes = old ? null : Optional(node, x, 3, "sizes");
        int[] axes = node.Integers("axes") is { } list ? [.. list.Select(a => value.Axis(node, a))] : Ascending(value.Rank);
        string mode = node.Text("mode", "nearest"), where = node.Text("coordinate_transformation_mode", old ? "asymmetric" : "half_pixel"), nearest = node.Text("nearest_mode", old ? "floor" : "round_prefer_floor");
        if (where is not ("half_pixel" or "asymmetric" or "align_corners" or "pytorch_half_pixel") || mode is not ("nearest" or "linear" or "cubic") || node.Integer("antialias", 0) != 0
            || node.Text("keep_aspect_ratio_policy", "stretch") != "stretch")
            throw node.Error($"it resizes in the mode '{mode}' with coordinates '{where}'{(node.Integer("antialias", 0) != 0 ? ", antialiased" : "")}; nearest, linear and cubic of half_pixel, pytorch_half_pixel, asymmetric and align_corners are recorded");
        for (int i = 0; i < axes.Length; i++)
        {
            int extent = value.Dims[axes[i]];
            double scale = sizes is { Count: > 0 } ? (double)sizes.Integers()[i] / extent : scales is { Count: > 0 } ? scales.Reals()[i] : throw node.Error("it has neither scales nor sizes");
            if (!(scale > 0)) throw node.Error($"its scale {scale} is not above 0");
            // Images for one have the number of images among the sizes.
            int outputs = axes[i] == 0 && value.HasImages && ImagesForOne > 1 ? extent : sizes is { Count: > 0 } ? checked((int)sizes.Integers()[i]) : checked((int)Math.Floor(extent * scale + 1e-6));
            if (outputs == extent && Math.Abs(scale - 1) < 1e-6) continue;
            if (outputs == extent && axes[i] == 0) continue;
            if (outputs < 1) throw node.Error($"nothing is left of axis {axes[i]} of {value}");
            RequireTable(node, extent, outputs);
            double cubic = node.Real("cubic_coeff_a", -0.75f);
            bool outside = node.Integer("exclude_outside", 0) != 0;
            value = Along(node, value, axes[i], ResampleTable.FromWeights(extent, outputs, to =>
            {
                double at = where switch
                {
                    "asymmetric" => to / scale,
                    "align_corners" => outputs == 1 ? 0 : to * (extent - 1.0) / (outputs - 1),
                    "pytorch_half_pixel" when outputs == 1 => 0,
                    _ => (to + 0.5) / scale - 0.5,
                };
                return Weights(extent, at, mode, nearest, cubic, outside);
            }));
        }
        return value;
    }

    private static double[] Weights(int extent, double at, string mode, string nearest, double a, bool excluded)
    {
        double[] row = new double[extent];
        if (mode == "nearest")
        {
            double place = nearest switch
            {
                "floor" => Math.Floor(at),
                "ceil" => Math.Ceiling(at),
                "round_prefer_ceil" => Math.Floor(at + 0.5),
                _ => Math.Ceiling(at - 0.5),
            };
            row[(int)Math.Clamp(place, 0, extent - 1)] = 1;
            return row;
        }
        int reach = mode == "linear" ? 1 : 2;
        if (mode == "linear") at = Math.Clamp(at, 0, extent - 1);
        int first = (int)Math.Floor(at) - reach + 1;
        for (int i = first; i < first + 2 * reach; i++)
        {
            if (excluded && (i < 0 || i >= extent)) continue;
            double d = Math.Abs(at - i);
            double weight = mode == "linear" ? Math.Max(0, 1 - d)
                : d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
            row[Math.Clamp(i, 0, extent - 1)] += weight;
        }
        double sum = row.Sum();
        return excluded ? [.. row.Select(w => w / sum)] : row;
    }
}
