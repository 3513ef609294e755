using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Tests.Cases;

/// <summary>Ops around guidance that take sums over a sample.</summary>
public sealed class GuidanceCases : ICaseList
{
    private static readonly Shape[] Shapes = [new(1, 1), new(3, 17), new(2, 33), new(2, 3, 5, 7), new(2, 20000)];

    private static readonly GuidanceWeightsOptions[] Options =
    [
        new() { Kind = GuidanceWeightsKind.ZeroStar },
        new() { Kind = GuidanceWeightsKind.Tangential, Rescale = 0.7f },
        new() { Kind = GuidanceWeightsKind.Magnitude, Alpha = 0.5f },
        new() { Kind = GuidanceWeightsKind.ProjectedApg, Eta = 0.3f, Threshold = 3 },
        new() { Kind = GuidanceWeightsKind.ProjectedApg, Eta = 0, Original = true, Rescale = 0.4f },
        new() { Rescale = 1 },
    ];

    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var shape in Shapes)
            {
                foreach (double scale in new[] { 0.3, 5 })
                    yield return new($"RmsLimit {shape} of size {scale}", [new("x", shape, Scale: scale) { Constant = true }], (b, x) => b.RmsLimit(x[0]),
                        x => PerRow(x[0], n => 1 / Math.Max(1, Rms(x[0], n))));
                InputSpec Values(string name, double scale) => new(name, shape, Scale: scale) { Constant = true };
                InputSpec[] inputs = [Values("gradient", 0.01), new("weight", new Shape(shape.Batch)) { Constant = true }, Values("reference", 2)];
                yield return new($"GuidanceShift {shape}", inputs[..2],
                    (b, x) => Shift(b, x, null, 1), x => PerRow(x[0], n => x[1].Data[n]));
                foreach (int times in new[] { 1, 2 })
                    yield return new($"GuidanceShift to a size, {times} times {shape}", inputs, (b, x) => Shift(b, x, x[2], times),
                        x => PerRow(x[0], n => times * x[1].Data[n] * Rms(x[2], n) / Rms(x[0], n)));
            }
            // Whole rows, and pixels of which some channels count: less than a vector of them, and more.
            (Shape, int, int)[] predictions =
                [(new(6, 33), 33, 0), (new(6, 5, 5, 3), 3, 0), (new(7, 5, 3, 6), 3, 2), (new(8, 3, 7, 22), 11, 9), (new(6, 20, 20, 8), 4, 0)];
            foreach (var (shape, channels, guided) in predictions)
                foreach (var (options, i) in Options.Select((o, i) => (o with { GuidedChannels = guided }, i)))
                    foreach (int branches in new[] { 1, 2, 4 })
                        yield return new($"GuidanceWeights {shape} {channels} channels {guided} guided, {branches} branches, options {i}",
                            [
                                new("prediction", shape, Batched: false) { Constant = true },
                                new("row", new Shape(2, branches), Fill.Index, shape.Batch, Batched: false),
                                new("weight", new Shape(2, 1 + branches), Scale: 2, Batched: false) { Constant = true },
                            ],
                            (b, x) =>
                            {
                                var weight = b.Scale(x[2], new Slot<float>(1));
                                b.GuidanceWeights(new(options), x[0], x[1], channels, weight);
                                return weight;
                            },
                            x => Weights(options, x[0], x[1], channels, x[2])) { RowsAreIndependent = false };
        }
    }

    private static Tensor Shift(PlanBuilder b, Tensor[] x, Tensor? reference, int times)
    {
        var shift = b.Temporary(x[0].Shape, "shift");
        for (int i = 0; i < times; i++) b.GuidanceShift(x[0], reference, x[1], shift, accumulate: i > 0);
        return shift;
    }

    /// <summary>Each row times a number of it.</summary>
    private static DoubleTensor PerRow(DoubleTensor x, Func<int, double> factor)
    {
        double[] factors = [.. Enumerable.Range(0, x.Shape.Batch).Select(factor)];
        return new(x.Shape, [.. x.Data.Select((v, i) => factors[i / x.Shape.RowCount] * v)]);
    }

    private static double Rms(DoubleTensor x, int n)
    {
        int length = (int)x.Shape.RowCount;
        return Math.Sqrt(x.Data[(n * length)..((n + 1) * length)].Average(v => v * v));
    }

    /// <summary>From the vectors, rule by rule as published: the combination of them is found by its coefficients, not by sums.</summary>
    private static DoubleTensor Weights(GuidanceWeightsOptions o, DoubleTensor prediction, DoubleTensor rows, int channels, DoubleTensor weight)
    {
        int branches = rows.Shape[1], used = o.GuidedChannels > 0 ? o.GuidedChannels : channels;
        int stride = prediction.Shape.Channels, length = (int)prediction.Shape.RowCount;
        double[] Row(int row) => [.. Enumerable.Range(0, length).Where(i => i % stride < used).Select(i => prediction.Data[row * length + i])];
        var result = new DoubleTensor(weight.Shape, [.. weight.Data]);
        for (int n = 0; n < weight.Shape[0]; n++)
        {
            double[] c = Row(n), u = Row((int)rows[n, 0]);
            double w = weight[n, 1];
            // What takes the place of c + w (c - u), as coefficients of c and u.
            (double ofC, double ofU) = o.Kind switch
            {
                GuidanceWeightsKind.ZeroStar => (1 + w, -w * Dot(c, u) / (Dot(u, u) + 1e-8)),
                GuidanceWeightsKind.Tangential => Tangential(c, u, w),
                GuidanceWeightsKind.Magnitude => Strength(w * Math.Exp(-(double)o.Alpha * Math.Sqrt(Distance(c, u) / Dot(u, u)))),
                GuidanceWeightsKind.ProjectedApg => Projected(o, c, u, o.Original ? w : w + 1),
                _ => Strength(w),
            };
            result[n, 0] += ofC + ofU - 1;
            result[n, 1] = -ofU;
            if (o.Rescale == 0) continue;
            double[] p = [.. c.Select(v => result[n, 0] * v)];
            for (int k = 0; k < branches; k++)
            {
                double[] other = Row((int)rows[n, k]);
                for (int i = 0; i < p.Length; i++) p[i] += result[n, 1 + k] * (c[i] - other[i]);
            }
            for (int k = 0; k <= branches; k++) result[n, k] *= o.Rescale * Spread(c) / Spread(p) + 1 - o.Rescale;
        }
        return result;
    }

    private static (double, double) Strength(double w) => (1 + w, -w);

    private static (double, double) Projected(GuidanceWeightsOptions o, double[] c, double[] u, double s)
    {
        double length = Math.Sqrt(Distance(c, u)), cut = o.Threshold > 0 ? Math.Min(1, o.Threshold / length) : 1;
        double along = c.Zip(u, (a, b) => (a - b) * a).Sum() / Dot(c, c);
        // base + s (D across + eta D along), with D = cut (c - u).
        return ((o.Original ? 1 : 0) + s * cut * (1 - along + o.Eta * along), (o.Original ? 0 : 1) - s * cut);
    }

    private static (double, double) Tangential(double[] c, double[] u, double w)
    {
        // The first right singular vector by repeated multiplication, as a combination of the rows.
        double a = 1, b = 1, cc = Dot(c, c), cu = Dot(c, u), uu = Dot(u, u);
        for (int i = 0; i < 20000; i++)
        {
            (a, b) = (a * cc + b * cu, a * cu + b * uu);
            double size = Math.Sqrt(a * a + b * b);
            (a, b) = (a / size, b / size);
        }
        double[] v = [.. c.Zip(u, (x, y) => a * x + b * y)];
        double along = Dot(u, v) / Dot(v, v);
        return (1 + w - w * along * a, -w * along * b);
    }

    private static double Dot(double[] a, double[] b) => a.Zip(b, (x, y) => x * y).Sum();

    private static double Distance(double[] a, double[] b) => a.Zip(b, (x, y) => (x - y) * (x - y)).Sum();

    private static double Spread(double[] x)
    {
        double mean = x.Average();
        return Math.Sqrt(x.Sum(v => (v - mean) * (v - mean)));
    }
}
