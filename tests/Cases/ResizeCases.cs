using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Tests.Cases;

public sealed class ResizeCases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (bool cubic in new[] { false, true })
                foreach (var (shape, height, width) in new (Shape, int, int)[]
                {
                    (new(2, 1, 1, 1), 1, 3), (new(2, 4, 5, 3), 7, 9), (new(2, 9, 12, 3), 4, 5), (new(1, 5, 3, 17), 5, 8), (new(1, 6, 40, 3), 13, 20), (new(2, 3, 30, 10), 9, 7),
                })
                {
                    string name = $"Resize {shape} to {height} x {width}, {(cubic ? "cubic" : "linear")}";
                    Func<PlanBuilder, Tensor[], Tensor> record = (b, x) => b.Resize(x[0], Table(cubic, shape[1], height), Table(cubic, shape[2], width));
                    yield return new(name, [new("x", shape)], record, x => Oracle(x[0], height, width, cubic));
                    yield return new(name + ", twice", [new("x", shape)], (b, x) => b.Add(record(b, x), record(b, x)),
                        x => new(new Shape(x[0].Shape[0], height, width, shape[3]), [.. Oracle(x[0], height, width, cubic).Data.Select(v => 2 * v)]));
                }
            foreach (var (shape, height, width) in new (Shape, int, int)[] { (new(1, 1, 2, 1), 3, 5), (new(2, 7, 30, 3), 5, 9), (new(1, 4, 6, 17), 9, 6) })
                yield return new($"Interpolated {shape} to {height} x {width}", [new("x", shape)],
                    (b, x) => b.Resize(x[0], ResampleTable.Interpolated(shape[1], height), ResampleTable.Interpolated(shape[2], width)),
                    x => Oracle(x[0], Interpolation(shape[1], height), Interpolation(shape[2], width)));
            foreach (var shape in new Shape[] { new(1, 1, 2, 1), new(2, 3, 5, 17), new(1, 8, 4, 33) })
                yield return new($"Mean of three by three {shape}", [new("x", shape)],
                    (b, x) => b.Resize(x[0], ResampleTable.MeanOfThree(shape[1]), ResampleTable.MeanOfThree(shape[2])), x => MeanPool(x[0]));
            foreach (var (shape, padding) in new (Shape, int)[] { (new(1, 2, 2, 1), 1), (new(2, 4, 6, 3), 1), (new(1, 6, 8, 17), 0) })
            {
                yield return new($"Every second pixel of {shape}, padding {padding}", [new("x", shape)],
                    (b, x) => b.Resize(x[0], ResampleTable.EverySecond(shape[1], Taps, padding), ResampleTable.EverySecond(shape[2], Taps, padding)),
                    x => Filtered(x[0], new Shape(shape[0], shape[1] / 2 + padding - 1, shape[2] / 2 + padding - 1, shape[3]), padding, down: true));
                var large = new Shape(shape[0], 2 * shape[1], 2 * shape[2], shape[3]);
                yield return new($"Zeros between the pixels of {shape}, filtered", [new("x", shape)],
                    (b, x) => b.Resize(x[0], ResampleTable.EverySecond(large[1], Taps, 1).Transposed, ResampleTable.EverySecond(large[2], Taps, 1).Transposed),
                    x => Filtered(x[0], large, 1, down: false));
            }
        }
    }

    private static readonly double[] Taps = [0.1, 0.4, 0.3, 0.2];

    // All pairs of a small and a large pixel that the filter connects.
    private static DoubleTensor Filtered(DoubleTensor x, Shape to, int padding, bool down)
    {
        var y = new DoubleTensor(to);
        var (small, large) = down ? (to, x.Shape) : (x.Shape, to);
        for (int n = 0; n < to[0]; n++)
            for (int i = 0; i < small[1] * 4; i++)
                for (int j = 0; j < small[2] * 4; j++)
                {
                    int h = i / 4 * 2 + i % 4 - padding, w = j / 4 * 2 + j % 4 - padding;
                    if (h < 0 || h >= large[1] || w < 0 || w >= large[2]) continue;
                    for (int c = 0; c < to[3]; c++)
                        if (down) y[n, i / 4, j / 4, c] += Taps[i % 4] * Taps[j % 4] * x[n, h, w, c];
                        else y[n, h, w, c] += Taps[i % 4] * Taps[j % 4] * x[n, i / 4, j / 4, c];
                }
        return y;
    }

    private static ResampleTable Table(bool cubic, int from, int to) => cubic ? ResampleTable.Cubic(from, to) : ResampleTable.Linear(from, to);

    /// <summary>The matrix of the weights, from the filter's definition over all inputs.</summary>
    private static double[,] Weights(int from, int to, bool cubic)
    {
        var weights = new double[to, from];
        double step = (double)from / to, stretch = Math.Max(1, step);
        for (int i = 0; i < to; i++)
        {
            double sum = 0;
            for (int j = 0; j < from; j++) sum += weights[i, j] = Filter(Math.Abs((j + 0.5 - (i + 0.5) * step) / stretch), cubic);
            for (int j = 0; j < from; j++) weights[i, j] /= sum;
        }
        return weights;
    }

    private static double Filter(double x, bool cubic) => !cubic ? Math.Max(0, 1 - x)
        : x < 1 ? 1.5 * Math.Pow(x, 3) - 2.5 * x * x + 1
        : x < 2 ? -0.5 * Math.Pow(x, 3) + 2.5 * x * x - 4 * x + 2 : 0;

    /// <summary>What lies between the two nearest sample centres.</summary>
    private static double[,] Interpolation(int from, int to)
    {
        var weights = new double[to, from];
        for (int i = 0; i < to; i++)
        {
            double at = Math.Clamp((i + 0.5) * from / to - 0.5, 0, from - 1);
            for (int j = 0; j < from; j++) weights[i, j] = Math.Max(0, 1 - Math.Abs(at - j));
        }
        return weights;
    }

    private static DoubleTensor MeanPool(DoubleTensor x)
    {
        var y = new DoubleTensor(x.Shape);
        for (int n = 0; n < x.Shape[0]; n++)
            for (int i = 0; i < x.Shape[1]; i++)
                for (int j = 0; j < x.Shape[2]; j++)
                    for (int c = 0; c < x.Shape[3]; c++)
                    {
                        int count = 0;
                        for (int p = Math.Max(0, i - 1); p <= Math.Min(x.Shape[1] - 1, i + 1); p++)
                            for (int q = Math.Max(0, j - 1); q <= Math.Min(x.Shape[2] - 1, j + 1); q++, count++)
                                y[n, i, j, c] += x[n, p, q, c];
                        y[n, i, j, c] /= count;
                    }
        return y;
    }

    private static DoubleTensor Oracle(DoubleTensor x, int height, int width, bool cubic) => Oracle(x, Weights(x.Shape[1], height, cubic), Weights(x.Shape[2], width, cubic));

    private static DoubleTensor Oracle(DoubleTensor x, double[,] rows, double[,] columns)
    {
        var (shape, height, width) = (x.Shape, rows.GetLength(0), columns.GetLength(0));
        var y = new DoubleTensor(new Shape(shape[0], height, width, shape[3]));
        for (int n = 0; n < shape[0]; n++)
            for (int i = 0; i < height; i++)
                for (int j = 0; j < width; j++)
                    for (int c = 0; c < shape[3]; c++)
                        for (int p = 0; p < shape[1]; p++)
                            for (int q = 0; q < shape[2]; q++)
                                y[n, i, j, c] += rows[i, p] * columns[j, q] * x[n, p, q, c];
        return y;
    }
}
