using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Tests.Cases;

public sealed class DepthwiseConv2dCases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            yield return Case(new(2, 5, 6, 17), 3, 3, new() { Padding = (1, 1), EndPadding = (1, 1) });
            yield return Case(new(2, 7, 6, 33), 3, 3, new() { Stride = (2, 2), Padding = (0, 1), EndPadding = (1, 0) });
            yield return Case(new(2, 6, 5, 4), 5, 3, new() { Stride = (1, 2), Padding = (2, 1), EndPadding = (2, 1) });
            yield return Case(new(1, 8, 9, 16), 3, 2, new() { Dilation = (2, 3), Padding = (2, 0), EndPadding = (1, 3) });
            yield return Case(new(3, 4, 3, 15), 1, 1, new());
            yield return new("DepthwiseConv2d twice", [new("x", new(2, 4, 4, 5)), new("w", new(3, 3, 5), Batched: false)], (b, x) =>
            {
                var options = new DepthwiseConv2dOptions { Padding = (1, 1), EndPadding = (1, 1) };
                return b.Add(b.DepthwiseConv2d(x[0], x[1], null, options), b.DepthwiseConv2d(x[0], x[1], null, options));
            }, x => new(x[0].Shape, [.. Convolve(x[0], x[1], new double[5], new() { Padding = (1, 1), EndPadding = (1, 1) }).Data.Select(v => 2 * v)]));
        }
    }

    private static OpCase Case(Shape image, int rows, int columns, DepthwiseConv2dOptions options) => new(
        $"DepthwiseConv2d {image} {rows}x{columns} {options}",
        [new("x", image), new("w", new(rows, columns, image.Channels), Batched: false), new("bias", new(image.Channels), Batched: false)],
        (b, x) => b.DepthwiseConv2d(x[0], x[1], x[2], options), x => Convolve(x[0], x[1], x[2].Data, options));

    private static DoubleTensor Convolve(DoubleTensor x, DoubleTensor w, double[] bias, DepthwiseConv2dOptions o)
    {
        int height = (x.Shape[1] + o.Padding.Y + o.EndPadding.Y - (w.Shape[0] - 1) * o.Dilation.Y - 1) / o.Stride.Y + 1;
        int width = (x.Shape[2] + o.Padding.X + o.EndPadding.X - (w.Shape[1] - 1) * o.Dilation.X - 1) / o.Stride.X + 1;
        var y = new DoubleTensor(new Shape(x.Shape[0], height, width, x.Shape[3]));
        for (int n = 0; n < x.Shape[0]; n++)
            for (int i = 0; i < height; i++)
                for (int j = 0; j < width; j++)
                    for (int c = 0; c < x.Shape[3]; c++)
                    {
                        y[n, i, j, c] = bias[c];
                        for (int a = 0; a < w.Shape[0]; a++)
                            for (int b = 0; b < w.Shape[1]; b++)
                            {
                                int row = i * o.Stride.Y + a * o.Dilation.Y - o.Padding.Y, column = j * o.Stride.X + b * o.Dilation.X - o.Padding.X;
                                if (row >= 0 && row < x.Shape[1] && column >= 0 && column < x.Shape[2]) y[n, i, j, c] += x[n, row, column, c] * w[a, b, c];
                            }
                    }
        return y;
    }
}
