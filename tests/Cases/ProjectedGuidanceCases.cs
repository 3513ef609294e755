using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Tests.Cases;

/// <summary>Projected guidance of two samples: the predictions it makes, and the running difference.</summary>
public sealed class ProjectedGuidanceCases : ICaseList
{
    private static readonly ProjectedGuidanceOptions[] Options =
    [
        new() { Momentum = -0.5f, Threshold = 3, Eta = 0 },
        new() { Momentum = 0.7f, Eta = 0.3f, Original = true, Rescale = 0.6f },
        new() { PerChannel = true, Threshold = 1, Eta = 0.2f, Rescale = 1 },
        new() { Momentum = 0.5f, Threshold = 1, Eta = 0, Plain = true, Rescale = 0.3f },
        new() { Momentum = -0.5f, Threshold = 2, Eta = 0.1f, Scale = 2.5f },
    ];

    public static IEnumerable<OpCase> Cases =>
        from p in new (Shape Shape, int Channels, int Guided)[] { (new(8, 1), 1, 0), (new(8, 33), 33, 0), (new(9, 5, 5, 3), 3, 0), (new(8, 5, 3, 6), 3, 2), (new(8, 20, 20, 8), 4, 0) }
        from o in Options.Select((options, i) => (options, i))
        from branches in new[] { 1, 3 }
        from output in new[] { "prediction", "running", "weight" }
        let options = o.options with { GuidedChannels = p.Guided }
        select new OpCase($"ProjectedGuidance {p.Shape} {p.Channels} channels {p.Guided} guided, {branches} branches, options {o.i}: {output}",
            [
                new("prediction", p.Shape, Batched: false) { Constant = true },
                new("weight", new Shape(2, 1 + branches), Fill.Positive, 3, Batched: false) { Constant = true },
                new("running", p.Shape.WithBatch(2).WithChannels(p.Channels), Batched: false) { Constant = true },
            ],
            (b, x) =>
            {
                var one = new Slot<float>(1);
                Tensor prediction = b.Scale(x[0], one), weight = b.Scale(x[1], one), running = b.Scale(x[2], one);
                float[] rows = [.. Rows(branches).Select(BitConverter.Int32BitsToSingle)];
                b.ProjectedGuidance(new(options), prediction, b.Reshape(b.Constant("rows", rows), new Shape(2, branches)), p.Channels, weight, running);
                return output == "prediction" ? prediction : output == "running" ? running : weight;
            },
            x => Oracle(options, x[0], p.Channels, x[1], x[2], branches)[output]) { RowsAreIndependent = false };

    // Of three branches the second sample lacks the first.
    private static int[] Rows(int branches) => branches == 1 ? [5, 2] : [3, 4, -1, -1, 7, 6];

    private static Dictionary<string, DoubleTensor> Oracle(ProjectedGuidanceOptions o, DoubleTensor prediction, int channels, DoubleTensor weight, DoubleTensor running, int branches)
    {
        int stride = prediction.Shape.Channels, length = (int)prediction.Shape.RowCount, used = o.GuidedChannels > 0 ? o.GuidedChannels : channels, pixels = length / stride;
        DoubleTensor y = new(prediction.Shape, [.. prediction.Data]), run = new(running.Shape, [.. running.Data]), w = new(weight.Shape);
        for (int n = 0; n < 2; n++)
        {
            w[n, 0] = 1;
            int[] rows = Rows(branches)[(n * branches)..((n + 1) * branches)];
            double P(int row, int i) => prediction.Data[row * length + i / used * stride + i % used];
            ref double Run(int i) => ref run.Data[n * pixels * channels + i / used * channels + i % used];
            double[] p = [.. Enumerable.Range(0, pixels * used).Select(i => weight[n, 0] * P(n, i))];
            for (int k = 1; k < branches; k++)
                for (int i = 0; i < p.Length; i++)
                    if (rows[k] >= 0) p[i] += weight[n, 1 + k] * (P(n, i) - P(rows[k], i));
            for (int group = 0; group < (o.PerChannel ? used : 1) && rows[0] >= 0; group++)
            {
                int[] elements = [.. Enumerable.Range(0, p.Length).Where(i => !o.PerChannel || i % used == group)];
                double[] c = [.. elements.Select(i => P(n, i))], plain = [.. elements.Select(i => P(n, i) - P(rows[0], i))];
                double[] d = [.. elements.Select((i, at) => Run(i) = plain[at] + o.Momentum * Run(i))];
                double s = !o.Plain && o.Scale is { } scale ? scale : o.Original ? weight[n, 1] : weight[n, 1] + 1;
                if (o.Plain) d = plain;
                else
                {
                    double size = Math.Sqrt(d.Sum(v => v * v)), norm = Math.Sqrt(c.Sum(v => v * v));
                    if (o.Threshold > 0 && size > o.Threshold) d = [.. d.Select(v => v * o.Threshold / size)];
                    double along = d.Zip(c, (a, b) => a * b / norm).Sum();
                    d = [.. d.Select((v, at) => v - along * c[at] / norm + o.Eta * along * c[at] / norm)];
                }
                for (int at = 0; at < d.Length; at++) p[elements[at]] += s * d[at] - (o.Original ? 0 : plain[at]);
            }
            if (o.Rescale > 0)
            {
                double from = Deviation([.. Enumerable.Range(0, p.Length).Select(i => P(n, i))]), to = Deviation(p), f = to > 0 ? o.Rescale * from / to + 1 - o.Rescale : 1;
                p = [.. p.Select(v => f * v)];
            }
            for (int i = 0; i < p.Length; i++) y.Data[n * length + i / used * stride + i % used] = p[i];
        }
        return new() { ["prediction"] = y, ["running"] = run, ["weight"] = w };
    }

    private static double Deviation(double[] x)
    {
        double mean = x.Average();
        return Math.Sqrt(x.Sum(v => (v - mean) * (v - mean)));
    }
}
