using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

public sealed class MaxPool3x3Cases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var shape in new Shape[] { new(1, 1, 1, 1), new(2, 2, 3, 3), new(3, 5, 4, 17), new(2, 6, 7, 15), new(1, 16, 9, 40), new(2, 1, 8, 64) })
            {
                yield return new($"MaxPool3x3 {shape}", [new("x", shape)], (b, x) => b.MaxPool3x3(x[0]), x => Pool(x[0]));
                yield return new($"MaxPool3x3 twice {shape}", [new("x", shape)],
                    (b, x) => b.Add(b.MaxPool3x3(x[0]), b.MaxPool3x3(x[0])), x => new(Pool(x[0]).Shape, [.. Pool(x[0]).Data.Select(v => 2 * v)]));
            }
            foreach (var shape in new Shape[] { new(2, 3, 3, 3), new(2, 4, 7, 17), new(1, 6, 5, 33) })
                foreach (var (stride, padding) in new[] { (1, 0), (1, 1), (2, 0) })
                    yield return new($"MaxPool3x3 {shape}, stride {stride}, padding {padding}", [new("x", shape)],
                        (b, x) => b.MaxPool3x3(x[0], stride, padding), x => Pool(x[0], stride, padding));
        }
    }

    private static DoubleTensor Pool(DoubleTensor x, int stride = 2, int padding = 1)
    {
        var y = new DoubleTensor(new Shape(x.Shape[0], (x.Shape[1] + 2 * padding - 3) / stride + 1, (x.Shape[2] + 2 * padding - 3) / stride + 1, x.Shape[3]));
        Array.Fill(y.Data, double.NegativeInfinity);
        for (int n = 0; n < x.Shape[0]; n++)
            for (int i = 0; i < y.Shape[1]; i++)
                for (int j = 0; j < y.Shape[2]; j++)
                    for (int c = 0; c < x.Shape[3]; c++)
                        for (int row = Math.Max(0, stride * i - padding); row <= Math.Min(x.Shape[1] - 1, stride * i - padding + 2); row++)
                            for (int column = Math.Max(0, stride * j - padding); column <= Math.Min(x.Shape[2] - 1, stride * j - padding + 2); column++)
                                y[n, i, j, c] = Math.Max(y[n, i, j, c], x[n, row, column, c]);
        return y;
    }
}
