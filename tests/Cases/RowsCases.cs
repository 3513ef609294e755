using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

/// <summary>Some rows of a batch by themselves, and two batches as one.</summary>
public sealed class RowsCases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var (shape, start, count) in new (Shape, int, int)[] { (new(3, 1), 1, 1), (new(4, 17), 1, 3), (new(3, 5, 7, 3), 0, 2), (new(2, 20001), 1, 1), (new(2, 5), 0, 2) })
            {
                int row = (int)shape.RowCount;
                InputSpec[] inputs = [new("x", shape)];
                yield return new($"Rows {start} and {count - 1} more of {shape}", inputs, (b, x) => b.Silu(b.Rows(x[0], start, count)),
                    x => new(shape.WithBatch(count), [.. x[0].Data.Skip(start * row).Take(count * row).Select(v => v / (1 + Math.Exp(-v)))])) { RowsAreIndependent = false };
                yield return new($"Rows {start} and {count - 1} more of {shape}, squared rows of rows", inputs,
                    (b, x) => b.Add(b.Rows(b.Reshape(x[0], new Shape(shape.Batch, row)), start, 1), b.Rows(b.Rows(b.Reshape(x[0], new Shape(shape.Batch, row)), start, count), count - 1, 1)),
                    x => new(new Shape(1, row), [.. Enumerable.Range(0, row).Select(i => x[0].Data[start * row + i] + x[0].Data[(start + count - 1) * row + i])]))
                    { RowsAreIndependent = false };
            }
            foreach (var (a, b) in new (Shape, Shape)[] { (new(1, 1), new(1, 1)), (new(2, 17), new(3, 17)), (new(1, 5, 3, 3), new(2, 5, 3, 3)), (new(1, 20001), new(1, 20001)) })
            {
                InputSpec[] inputs = [new("a", a), new("b", b)];
                yield return new($"ConcatRows {a} {b}", inputs, (p, x) => p.ConcatRows(x[0], x[1]),
                    x => new(a.WithBatch(a.Batch + b.Batch), [.. x[0].Data, .. x[1].Data])) { RowsAreIndependent = false };
                yield return new($"ConcatRows {a} {b}, and again", inputs, (p, x) => p.ConcatRows(p.ConcatRows(x[0], x[1]), p.ConcatRows(x[1], x[1])),
                    x => new(a.WithBatch(a.Batch + 3 * b.Batch), [.. x[0].Data, .. x[1].Data, .. x[1].Data, .. x[1].Data])) { RowsAreIndependent = false };
            }
        }
    }
}
