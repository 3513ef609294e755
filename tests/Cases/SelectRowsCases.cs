using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

public sealed class SelectRowsCases : ICaseList
{
    public static IEnumerable<OpCase> Cases =>
        from shape in new Shape[] { new(1, 1), new(5, 17), new(4, 3, 5, 7), new(3, 20000) }
        select new OpCase($"SelectRows {shape}",
            [new("select", new Shape(shape.Batch), Fill.Index, 2), new("a", shape) { Constant = true }, new("b", shape) { Constant = true }],
            (b, x) => b.SelectRows(x[0], x[1], x[2]),
            x => new(shape, [.. x[1].Data.Select((a, i) => x[0].Data[i / shape.RowCount] != 0 ? a : x[2].Data[i])]));
}
