using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

public sealed class ResampleCases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var shape in new Shape[] { new(1, 2, 2, 1), new(2, 4, 6, 3), new(3, 2, 8, 17), new(2, 6, 4, 40), new(1, 16, 24, 64) })
            {
                yield return new($"AveragePool2x {shape}", [new("x", shape)], (b, x) => b.AveragePool2x(x[0]), x => Pool(x[0]));
                yield return new($"AveragePool2x twice {shape}", [new("x", shape)],
                    (b, x) => b.Add(b.AveragePool2x(x[0]), b.AveragePool2x(x[0])), x => Sum(Pool(x[0]), Pool(x[0])));
            }
            foreach (var shape in new Shape[] { new(1, 1, 1, 1), new(2, 2, 3, 3), new(3, 1, 4, 17), new(2, 3, 2, 40), new(1, 12, 7, 64) })
            {
                yield return new($"UpsampleNearest2x {shape}", [new("x", shape)], (b, x) => b.UpsampleNearest2x(x[0]), x => Upsample(x[0]));
                yield return new($"UpsampleNearest2x twice {shape}", [new("x", shape)],
                    (b, x) => b.Add(b.UpsampleNearest2x(x[0]), b.UpsampleNearest2x(x[0])), x => Sum(Upsample(x[0]), Upsample(x[0])));
            }
        }
    }

    private static DoubleTensor Pool(DoubleTensor x)
    {
        var y = new DoubleTensor(new Shape(x.Shape[0], x.Shape[1] / 2, x.Shape[2] / 2, x.Shape[3]));
        for (int n = 0; n < x.Shape[0]; n++)
            for (int h = 0; h < x.Shape[1]; h++)
                for (int w = 0; w < x.Shape[2]; w++)
                    for (int c = 0; c < x.Shape[3]; c++)
                        y[n, h / 2, w / 2, c] += x[n, h, w, c] / 4;
        return y;
    }

    private static DoubleTensor Upsample(DoubleTensor x)
    {
        var y = new DoubleTensor(new Shape(x.Shape[0], x.Shape[1] * 2, x.Shape[2] * 2, x.Shape[3]));
        for (int n = 0; n < y.Shape[0]; n++)
            for (int h = 0; h < y.Shape[1]; h++)
                for (int w = 0; w < y.Shape[2]; w++)
                    for (int c = 0; c < y.Shape[3]; c++)
                        y[n, h, w, c] = x[n, h / 2, w / 2, c];
        return y;
    }

    private static DoubleTensor Sum(DoubleTensor a, DoubleTensor b) => new(a.Shape, [.. a.Data.Zip(b.Data, (p, q) => p + q)]);
}
