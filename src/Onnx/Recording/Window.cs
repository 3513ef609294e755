using NativeDiffusion.Onnx.Graphs;

namespace NativeDiffusion.Onnx.Recording;

/// <summary>How a filter or a pool walks over images; Y is rows, X columns.</summary>
internal sealed record Window((int Y, int X) Taps, (int Y, int X) Stride, (int Y, int X) Dilation, (int Y, int X) Before, (int Y, int X) After, (int Y, int X) Outputs)
{
    /// <summary>From the attributes that convolutions and pools have in common.</summary>
    /// <param name="node">The node.</param>
    /// <param name="image">Extents of the image; a single one is that of columns.</param>
    /// <param name="taps">Those of the window.</param>
    public static Window Of(OnnxNode node, int[] image, int[] taps)
    {
        var ((kernel, stride, dilation), before, after) = Attributes(node, taps);
        string auto = node.Text("auto_pad", "NOTSET");
        int[] outputs = new int[2];
        for (int i = 0; i < 2; i++)
        {
            int reach = (kernel[i] - 1) * dilation[i] + 1;
            if (auto is "SAME_UPPER" or "SAME_LOWER")
            {
                int pads = Math.Max(0, ((image[i] + stride[i] - 1) / stride[i] - 1) * stride[i] + reach - image[i]);
                (before[i], after[i]) = auto == "SAME_UPPER" ? (pads / 2, pads - pads / 2) : (pads - pads / 2, pads / 2);
            }
            else if (auto == "VALID") (before[i], after[i]) = (0, 0);
            int room = checked(image[i] + before[i] + after[i] - reach);
            if (room < 0) throw node.Error($"a window of {reach} does not fit into {image[i]} pixels and paddings of {before[i]} and {after[i]}");
            outputs[i] = room / stride[i] + 1;
            if (node.Integer("ceil_mode", 0) != 0 && room % stride[i] != 0 && outputs[i] * stride[i] < image[i] + before[i]) outputs[i]++;
        }
        return new(Pair(kernel), Pair(stride), Pair(dilation), Pair(before), Pair(after), Pair(outputs));
    }

    /// <summary>Of a transposed convolution: paddings are what is cut off.</summary>
    public static Window OfTransposed(OnnxNode node, int[] image, int[] taps)
    {
        var ((kernel, stride, dilation), before, after) = Attributes(node, taps);
        int[] more = [.. (node.Integers("output_padding") ?? [0, 0]).Select(v => checked((int)v))], outputs = new int[2];
        string auto = node.Text("auto_pad", "NOTSET");
        for (int i = 0; i < 2; i++)
        {
            int whole = checked((image[i] - 1) * stride[i] + (kernel[i] - 1) * dilation[i] + 1 + more[i]);
            int? wanted = node.Integers("output_shape") is { } given ? checked((int)given[given.Length - 2 + i]) : auto is "SAME_UPPER" or "SAME_LOWER" ? image[i] * stride[i] : null;
            if (wanted is { } size) (before[i], after[i]) = auto == "SAME_UPPER" ? ((whole - size) / 2, whole - size - (whole - size) / 2) : (whole - size - (whole - size) / 2, (whole - size) / 2);
            outputs[i] = whole - before[i] - after[i];
            after[i] -= more[i];
            if (outputs[i] < 1) throw node.Error($"nothing is left of {whole} pixels without {before[i]} and {after[i]}");
        }
        return new(Pair(kernel), Pair(stride), Pair(dilation), Pair(before), Pair(after), Pair(outputs));
    }

    private static ((int[] Kernel, int[] Stride, int[] Dilation), int[] Before, int[] After) Attributes(OnnxNode node, int[] taps)
    {
        int[] Both(string name, int otherwise, int least)
        {
            int[] values = node.Integers(name) is { Length: > 0 } given ? [.. given.Select(v => v >= least && v <= 1 << 20 ? (int)v : throw node.Error($"{name} are {string.Join(", ", given)}"))] : [otherwise, otherwise];
            return values.Length == 1 ? [least > 0 ? 1 : 0, values[0]] : values.Length == 2 ? values : throw node.Error($"{name} are of {values.Length} directions, and one or two are recorded");
        }
        long[] pads = node.Integers("pads") is { Length: > 0 } p ? p : [0, 0, 0, 0];
        if (pads.Length == 2) pads = [0, pads[0], 0, pads[1]];
        if (pads.Length != 4 || pads.Any(v => v is < 0 or > 1 << 20)) throw node.Error($"pads are {string.Join(", ", pads)}");
        return (([.. taps], Both("strides", 1, 1), Both("dilations", 1, 1)), [(int)pads[0], (int)pads[1]], [(int)pads[2], (int)pads[3]]);
    }

    private static (int Y, int X) Pair(int[] values) => (values[0], values[1]);
}
