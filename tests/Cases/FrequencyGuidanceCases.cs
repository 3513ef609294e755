using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Tests.Cases;

/// <summary>Frequency-decoupled guidance of two samples, of which the second may lack the branch.</summary>
public sealed class FrequencyGuidanceCases : ICaseList
{
    private static readonly FrequencyGuidanceOptions[] Options =
    [
        new() { Bands = [new(3)] },
        new() { Bands = [new(10), new(5)] },
        new() { Bands = [new(6), new(3, 0.5), new(1.5, 0)] },
        new() { Bands = [new(4, 1, 0.5), new(2, 0.3, 0.2)], Original = true, RescaleBands = true },
        new() { Bands = [new(1), new(2, 0.3)] },
        new() { Bands = [new(4, 0.3, 0.6), new(2, 1, 0.1)] },
    ];

    public static IEnumerable<OpCase> Cases =>
        from p in new (Shape Shape, int Channels, int Guided)[] { (new(7, 8, 8, 1), 1, 0), (new(8, 8, 12, 6), 3, 2), (new(6, 16, 16, 3), 3, 0) }
        from o in Options.Select((options, i) => (options, i))
        from branches in new[] { 1, 3 }
        from output in new[] { "prediction", "weight" }
        let options = o.options with { GuidedChannels = p.Guided }
        select new OpCase($"FrequencyGuidance {p.Shape} {p.Channels} channels {p.Guided} guided, {branches} branches, options {o.i}: {output}",
            [
                new("prediction", p.Shape, Batched: false) { Constant = true },
                new("weight", new Shape(2, 1 + branches), Fill.Positive, 3, Batched: false) { Constant = true },
            ],
            (b, x) =>
            {
                var one = new Slot<float>(1);
                Tensor prediction = b.Scale(x[0], one), weight = b.Scale(x[1], one);
                float[] rows = [.. Rows(branches).Select(BitConverter.Int32BitsToSingle)];
                b.FrequencyGuidance(options, prediction, b.Reshape(b.Constant("rows", rows), new Shape(2, branches)), p.Channels, weight);
                return output == "prediction" ? prediction : weight;
            },
            x => output == "weight"
                ? new(x[1].Shape, [.. x[1].Data.Select((_, i) => i % (1 + branches) == 0 ? 1.0 : 0)])
                : Oracle(options, x[0], p.Channels, x[1], branches)) { RowsAreIndependent = false, Tolerance = 2e-5 };

    private static int[] Rows(int branches) => branches == 1 ? [5, 2] : [3, 4, -1, -1, 5, 2];

    private static DoubleTensor Oracle(FrequencyGuidanceOptions o, DoubleTensor prediction, int channels, DoubleTensor weight, int branches)
    {
        int height = prediction.Shape[1], width = prediction.Shape[2], used = o.GuidedChannels > 0 ? o.GuidedChannels : channels;
        var y = new DoubleTensor(prediction.Shape, [.. prediction.Data]);
        double[][,] Image(int row) => [.. Enumerable.Range(0, used).Select(c =>
        {
            var image = new double[height, width];
            for (int h = 0; h < height; h++)
                for (int w = 0; w < width; w++) image[h, w] = prediction[row, h, w, c];
            return image;
        })];
        for (int n = 0; n < 2; n++)
        {
            int first = Rows(branches)[n * branches];
            double[][,] own = Image(n), guided = first < 0 ? own : Guided(o, own, Image(first));
            for (int h = 0; h < height; h++)
                for (int w = 0; w < width; w++)
                    for (int c = 0; c < used; c++)
                    {
                        double x = own[c][h, w], p = guided[c][h, w] + (weight[n, 0] - 1) * x;
                        for (int k = 1; k < branches; k++)
                            if (Rows(branches)[n * branches + k] is var row and >= 0) p += weight[n, 1 + k] * (x - prediction[row, h, w, c]);
                        y[n, h, w, c] = p;
                    }
        }
        return y;
    }

    private static double[][,] Guided(FrequencyGuidanceOptions o, double[][,] c, double[][,] u)
    {
        double[][][,] pyramidC = Pyramid(c, o.Bands.Count), pyramidU = Pyramid(u, o.Bands.Count);
        double[][,]? y = null;
        for (int level = o.Bands.Count - 1; level >= 0; level--)
        {
            var band = o.Bands[level];
            double[] fc = Flat(pyramidC[level]), fu = Flat(pyramidU[level]), q = fc;
            if (band.Scale != (o.Original ? 0 : 1))
            {
                double norm = Math.Sqrt(fc.Sum(v => v * v)), along = fc.Zip(fu, (a, b) => (a - b) * a / norm).Sum();
                q = [.. fc.Select((v, i) =>
                {
                    double d = v - fu[i], parallel = along * v / norm;
                    return (o.Original ? v : fu[i]) + band.Scale * (band.Parallel * parallel + (d - parallel));
                })];
                if (o.RescaleBands) q = Rescaled(q, fc, band.Rescale);
            }
            double[][,] image = Images(q, pyramidC[level]);
            y = y is null ? image : [.. y.Select(Up).Zip(image, Sum)];
        }
        return o.RescaleBands ? y! : Images(Rescaled(Flat(y!), Flat(c), o.Bands[0].Rescale), c);
    }

    private static double[][][,] Pyramid(double[][,] x, int levels)
    {
        var result = new double[levels][][,];
        for (int k = 0; k < levels - 1; k++)
        {
            double[][,] small = [.. x.Select(Down)];
            result[k] = [.. x.Zip(small.Select(Up), (a, b) => Sum(a, Map(b, (h, w) => -b[h, w])))];
            x = small;
        }
        result[^1] = x;
        return result;
    }

    private static double[,] Blurred(double[,] x)
    {
        int height = x.GetLength(0), width = x.GetLength(1);
        double[] taps = [1, 4, 6, 4, 1];
        int Reflect(int i, int n) => i < 0 ? -i : i >= n ? 2 * n - 2 - i : i;
        return Map(x, (h, w) =>
        {
            double sum = 0;
            for (int i = 0; i < 5; i++)
                for (int j = 0; j < 5; j++) sum += taps[i] * taps[j] / 256 * x[Reflect(h + i - 2, height), Reflect(w + j - 2, width)];
            return sum;
        });
    }

    private static double[,] Down(double[,] x)
    {
        var blurred = Blurred(x);
        return Map(new double[x.GetLength(0) / 2, x.GetLength(1) / 2],
            (h, w) => (blurred[2 * h, 2 * w] + blurred[2 * h + 1, 2 * w] + blurred[2 * h, 2 * w + 1] + blurred[2 * h + 1, 2 * w + 1]) / 4);
    }

    private static double[,] Up(double[,] x)
    {
        int height = x.GetLength(0), width = x.GetLength(1);
        return Blurred(Map(new double[2 * height, 2 * width], (h, w) =>
        {
            double sy = Math.Max(0, (h + 0.5) / 2 - 0.5), sx = Math.Max(0, (w + 0.5) / 2 - 0.5);
            int y0 = (int)sy, x0 = (int)sx, y1 = Math.Min(y0 + 1, height - 1), x1 = Math.Min(x0 + 1, width - 1);
            double fy = sy - y0, fx = sx - x0;
            return (1 - fy) * ((1 - fx) * x[y0, x0] + fx * x[y0, x1]) + fy * ((1 - fx) * x[y1, x0] + fx * x[y1, x1]);
        }));
    }

    private static double[] Rescaled(double[] q, double[] c, double share)
    {
        double Deviation(double[] x) => Math.Sqrt(x.Sum(v => Math.Pow(v - x.Average(), 2)));
        double f = share * Deviation(c) / Deviation(q) + 1 - share;
        return [.. q.Select(v => f * v)];
    }

    private static double[,] Map(double[,] shape, Func<int, int, double> value)
    {
        var result = new double[shape.GetLength(0), shape.GetLength(1)];
        for (int h = 0; h < result.GetLength(0); h++)
            for (int w = 0; w < result.GetLength(1); w++) result[h, w] = value(h, w);
        return result;
    }

    private static double[,] Sum(double[,] a, double[,] b) => Map(a, (h, w) => a[h, w] + b[h, w]);

    private static double[] Flat(double[][,] x) => [.. x.SelectMany(image => image.Cast<double>())];

    private static double[][,] Images(double[] flat, double[][,] shape)
    {
        int height = shape[0].GetLength(0), width = shape[0].GetLength(1);
        return [.. shape.Select((image, c) => Map(image, (h, w) => flat[(c * height + h) * width + w]))];
    }
}
