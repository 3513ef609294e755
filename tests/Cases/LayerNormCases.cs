using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

public sealed class LayerNormCases : ICaseList
{
    private const double Epsilon = 1e-5;

    public static IEnumerable<OpCase> Cases
    {
        get
        {
            // The last one has several items of rows, whose parameter gradients are joined.
            foreach (var shape in new Shape[] { new(2, 3), new(3, 17), new(2, 5, 33), new(2, 3, 2, 48), new(5, 1000), new(2, 300, 16) })
            {
                InputSpec gamma = new("gamma", new Shape(shape.Channels), Batched: false), beta = gamma with { Name = "beta" };
                yield return new($"LayerNorm {shape}", [new("x", shape), gamma, beta],
                    (b, x) => b.LayerNorm(x[0], x[1], x[2], Epsilon), x => Oracle(x[0], x[1], x[2]));
                yield return new($"LayerNorm plain {shape}", [new("x", shape)],
                    (b, x) => b.LayerNorm(x[0], null, null, Epsilon), x => Oracle(x[0], null, null));
                yield return new($"LayerNorm twice {shape}", [new("x", shape), gamma, beta],
                    (b, x) => b.Add(b.LayerNorm(x[0], x[1], x[2], Epsilon), b.LayerNorm(x[0], x[1], x[2], Epsilon)),
                    x => new(x[0].Shape, [.. Oracle(x[0], x[1], x[2]).Data.Select(v => 2 * v)]));
                InputSpec scale = new("scale", new Shape(shape.Batch, shape.Channels)), shift = scale with { Name = "shift" };
                yield return new($"LayerNorm modulated {shape}", [new("x", shape), scale, shift],
                    (b, x) => b.ModulatedLayerNorm(x[0], x[1], x[2], Epsilon), x => Modulated(x, 1));
                yield return new($"LayerNorm modulated twice {shape}", [new("x", shape), scale, shift],
                    (b, x) => b.Add(b.ModulatedLayerNorm(x[0], x[1], x[2], Epsilon), b.ModulatedLayerNorm(x[0], x[1], x[2], Epsilon)), x => Modulated(x, 2));
            }
        }
    }

    private static DoubleTensor Modulated(DoubleTensor[] x, double factor)
    {
        var y = Oracle(x[0], null, null);
        int width = y.Shape.Channels, row = (int)y.Shape.RowCount;
        for (int i = 0; i < y.Data.Length; i++)
        {
            int vector = i / row * width + i % width;
            y.Data[i] = factor * (y.Data[i] * (1 + x[1].Data[vector]) + x[2].Data[vector]);
        }
        return y;
    }

    private static DoubleTensor Oracle(DoubleTensor x, DoubleTensor? gamma, DoubleTensor? beta)
    {
        int width = x.Shape.Channels;
        var y = new DoubleTensor(x.Shape);
        for (int start = 0; start < x.Data.Length; start += width)
        {
            double[] row = x.Data[start..(start + width)];
            double mean = row.Average(), rstd = 1 / Math.Sqrt(row.Average(v => (v - mean) * (v - mean)) + Epsilon);
            for (int c = 0; c < width; c++)
                y.Data[start + c] = (row[c] - mean) * rstd * (gamma?.Data[c] ?? 1) + (beta?.Data[c] ?? 0);
        }
        return y;
    }
}
