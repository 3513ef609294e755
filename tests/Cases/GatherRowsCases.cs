using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

public sealed class GatherRowsCases : ICaseList
{
    public static IEnumerable<OpCase> Cases =>
        from shape in new Shape[] { new(1, 1), new(3, 15), new(2, 33), new(3, 5, 7, 3), new(2, 20000) }
        select new OpCase($"GatherRows {shape}",
            [new("x", shape, Batched: false) { Constant = true }, new("sourceRow", new Shape(2 * shape.Batch), Fill.Index, shape.Batch)],
            (b, x) => b.GatherRows(x[0], x[1]),
            x =>
            {
                var y = new DoubleTensor(shape.WithBatch(2 * shape.Batch));
                for (int i = 0; i < y.Data.Length; i++)
                    y.Data[i] = x[0].Data[(int)x[1].Data[i / shape.RowCount] * shape.RowCount + i % shape.RowCount];
                return y;
            });
}
