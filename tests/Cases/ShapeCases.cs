using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

public sealed class ShapeCases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            var image = new Shape(2, 3, 5, 7);
            yield return new($"Reshape {image}", [new("x", image)],
                (b, x) => b.Silu(b.Reshape(x[0], new Shape(x[0].Shape.Batch, 15, 7))), x => Map(x[0], new(2, 15, 7), Silu));
            yield return new($"Reshape of a reshape, and x besides {image}", [new("x", image)],
                (b, x) =>
                {
                    var h = b.Silu(x[0]);
                    var tokens = b.Reshape(h, new Shape(h.Shape.Batch, 15, 7));
                    var back = b.Reshape(b.Add(tokens, b.Silu(tokens)), new Shape(h.Shape.Batch, 105));
                    return b.Add(b.Silu(b.Reshape(back, h.Shape)), h);
                },
                x => Map(x[0], x[0].Shape, v => Silu(Silu(v) + Silu(Silu(v))) + Silu(v)));
            yield return new($"Reshape of an input is the output {image}", [new("x", image)],
                (b, x) => b.Reshape(x[0], new Shape(x[0].Shape.Batch, 105)), x => Map(x[0], new(2, 105), v => v));
            yield return new($"Chain of residuals {image}", [new("x", image)],
                (b, x) =>
                {
                    var h = x[0];
                    for (int i = 0; i < 3; i++) h = b.Add(h, b.Silu(h));
                    return h;
                },
                x => Map(x[0], x[0].Shape, v =>
                {
                    for (int i = 0; i < 3; i++) v += Silu(v);
                    return v;
                }));

            foreach (var shape in new Shape[] { new(1, 1), new(3, 17), new(2, 3, 5, 7) })
            {
                yield return new($"BroadcastDoubled {shape}", [new("x", shape)], (b, x) => b.BroadcastDoubled(x[0]), x => Doubled(x[0], 1))
                { RowsAreIndependent = false };
                yield return new($"BroadcastDoubled twice {shape}", [new("x", shape)],
                    (b, x) => b.Add(b.BroadcastDoubled(x[0]), b.BroadcastDoubled(x[0])), x => Doubled(x[0], 2))
                { RowsAreIndependent = false };
            }
            foreach (var shape in new Shape[] { new(1, 1, 1, 1), new(2, 3, 5, 7), new(3, 70, 33), new(2, 16, 16, 80) })
            {
                yield return new($"GlobalAveragePool {shape}", [new("x", shape)],
                    (b, x) => b.GlobalAveragePool(x[0]), x => Average(x[0], 1));
                yield return new($"GlobalAveragePool twice {shape}", [new("x", shape)],
                    (b, x) => b.Add(b.GlobalAveragePool(x[0]), b.GlobalAveragePool(x[0])), x => Average(x[0], 2));
            }
        }
    }

    private static double Silu(double v) => v / (1 + Math.Exp(-v));

    private static DoubleTensor Map(DoubleTensor x, Shape shape, Func<double, double> formula) => new(shape, [.. x.Data.Select(formula)]);

    private static DoubleTensor Doubled(DoubleTensor x, double factor) =>
        new(x.Shape.WithBatch(2 * x.Shape.Batch), [.. x.Data.Concat(x.Data).Select(v => factor * v)]);

    private static DoubleTensor Average(DoubleTensor x, double factor)
    {
        int channels = x.Shape.Channels;
        var y = new DoubleTensor(new Shape(x.Shape.Batch, channels));
        for (int i = 0; i < x.Data.Length; i++)
            y[(int)(i / x.Shape.RowCount), i % channels] += factor * x.Data[i] * channels / x.Shape.RowCount;
        return y;
    }
}
