using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

public sealed class GatherScaleCases : ICaseList
{
    public static IEnumerable<OpCase> Cases =>
        from shape in new Shape[] { new(1, 1), new(3, 15), new(2, 33), new(3, 5, 7, 3), new(2, 20000) }
        from scale in new[] { 1f, 0.37f }
        select new OpCase($"GatherScale {shape} by {scale}",
            [new("z", shape, Batched: false) { Constant = true }, new("sourceRow", new Shape(2 * shape.Batch), Fill.Index, shape.Batch)],
            (b, x) => b.GatherScale(x[0], x[1], new(scale)),
            x =>
            {
                var y = new DoubleTensor(shape.WithBatch(2 * shape.Batch));
                for (int i = 0; i < y.Data.Length; i++)
                    y.Data[i] = scale * x[0].Data[(int)x[1].Data[i / shape.RowCount] * shape.RowCount + i % shape.RowCount];
                return y;
            });
}
