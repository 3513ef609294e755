using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

public sealed class EmbeddingCases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var (rows, entries, width) in new[] { (1, 1, 1), (5, 3, 7), (9, 4, 33), (4, 11, 600) })
            {
                yield return new($"EmbeddingLookup N={rows} K={entries} D={width}", Inputs(rows, entries, width),
                    (b, x) => b.EmbeddingLookup(x[0], x[1]), x => Lookup(x[0], x[1]));
                yield return new($"EmbeddingLookup twice N={rows} K={entries} D={width}", Inputs(rows, entries, width),
                    (b, x) => b.Add(b.EmbeddingLookup(x[0], x[1]), b.EmbeddingLookup(x[0], x[1])),
                    x => new(new(x[0].Shape.Batch, width), [.. Lookup(x[0], x[1]).Data.Select(v => 2 * v)]));
            }
            foreach (var (rows, width, period) in new[] { (1, 2, 10000.0), (3, 7, 10000.0), (4, 64, 10000.0), (2, 33, 100.0) })
            {
                yield return new($"TimestepEmbedding N={rows} D={width} period={period}",
                    [new("t", new Shape(rows), Fill.Positive, 1000) { Constant = true }],
                    (b, x) => b.TimestepEmbedding(x[0], width, period), x => Sinusoids(x[0], width, period)) { Tolerance = 1e-7 };
            }
        }
    }

    private static InputSpec[] Inputs(int rows, int entries, int width) =>
        [new("indices", new Shape(rows), Fill.Index, entries), new("table", new Shape(entries, width), Batched: false)];

    private static DoubleTensor Lookup(DoubleTensor indices, DoubleTensor table)
    {
        int width = table.Shape.Channels;
        return new(new Shape(indices.Shape.Batch, width), [.. indices.Data.SelectMany(i => table.Data.Skip((int)i * width).Take(width))]);
    }

    private static DoubleTensor Sinusoids(DoubleTensor t, int width, double period)
    {
        var y = new DoubleTensor(new Shape(t.Shape.Batch, width));
        for (int n = 0; n < t.Shape.Batch; n++)
            for (int i = 0; i < width / 2; i++)
            {
                double angle = t.Data[n] * Math.Pow(period, -(double)i / (width / 2));
                (y[n, i], y[n, width / 2 + i]) = (Math.Cos(angle), Math.Sin(angle));
            }
        return y;
    }
}
