using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

/// <summary>Ops that make or scale one row per sample.</summary>
public sealed class RowCases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var (rows, classes) in new[] { (1, 1), (5, 3), (4, 17), (2, 1000) })
                yield return new($"OneHot N={rows} K={classes}", [new("labels", new Shape(rows), Fill.Index, classes + 2)],
                    (b, x) => b.OneHot(x[0], classes),
                    x => new(new Shape(rows, classes), [.. x[0].Data.SelectMany(label => Enumerable.Range(0, classes).Select(k => k == label ? 1.0 : 0))]));
            foreach (var (rows, half) in new[] { (1, 1), (3, 5), (4, 64) })
                yield return new($"FourierEmbedding N={rows} half={half}",
                    [new("t", new Shape(rows), Scale: 2) { Constant = true }, new("f", new Shape(half), Scale: 16, Batched: false) { Constant = true }],
                    (b, x) => b.FourierEmbedding(x[0], x[1]),
                    x => new(new Shape(rows, 2 * half), [.. x[0].Data.SelectMany(t =>
                        x[1].Data.Select(f => Math.Cos(2 * Math.PI * t * f)).Concat(x[1].Data.Select(f => Math.Sin(2 * Math.PI * t * f))))])) { Tolerance = 1e-6 };
            foreach (var shape in new Shape[] { new(1, 1), new(3, 17), new(2, 3, 5, 7), new(2, 20000) })
            {
                InputSpec[] inputs = [new("x", shape), new("factor", new Shape(shape.Batch)) { Constant = true }];
                yield return new($"ScaleRows {shape}", inputs, (b, x) => b.ScaleRows(x[0], x[1]), x => Scaled(x[0], x[1], 1));
                yield return new($"ScaleRows twice {shape}", inputs,
                    (b, x) => b.Add(b.ScaleRows(x[0], x[1]), b.ScaleRows(x[0], x[1])), x => Scaled(x[0], x[1], 2));
            }
        }
    }

    private static DoubleTensor Scaled(DoubleTensor x, DoubleTensor factor, double times) =>
        new(x.Shape, [.. x.Data.Select((v, i) => times * v * factor.Data[i / (int)x.Shape.RowCount])]);
}
