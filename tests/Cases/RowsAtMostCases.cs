using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

public sealed class RowsAtMostCases : ICaseList
{
    public static IEnumerable<OpCase> Cases =>
        from shape in new Shape[] { new(1, 1), new(7, 17), new(5, 3, 5, 7), new(4, 20000) }
        select new OpCase($"RowsAtMost {shape}", [new("values", shape) { Constant = true }, new("weights", shape) { Constant = true }],
            (b, x) => b.SelectRows(b.RowsAtMost(x[0], x[1], 0.5), x[0], x[1]),
            x =>
            {
                int length = (int)shape.RowCount;
                bool AtMost(int n) => Enumerable.Range(n * length, length).Sum(i => x[0].Data[i] * x[1].Data[i]) <= 0.5;
                return new(x[0].Shape, [.. x[0].Data.Select((v, i) => AtMost(i / length) ? v : x[1].Data[i])]);
            });
}
