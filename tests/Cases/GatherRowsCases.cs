using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

/// <summary>Gathered rows, alone and where their source reaches the output by further ways.</summary>
public sealed class GatherRowsCases : ICaseList
{
    private static readonly Shape[] Shapes = [new(1, 1), new(3, 15), new(2, 33), new(3, 5, 7, 3), new(2, 20000)];

    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var shape in Shapes)
            {
                // Twice as many rows, in any order; some sources may have none.
                InputSpec x = new("x", shape, Batched: false), rows = new("sourceRow", new Shape(2 * shape.Batch), Fill.Index, shape.Batch);
                var z = new InputSpec("z", shape.WithBatch(2 * shape.Batch));
                yield return new($"GatherRows {shape}", [x, rows], (b, t) => b.GatherRows(t[0], t[1]), t => Gathered(t[0], t[1]));
                yield return new($"GatherRows, an op on shared rows {shape}", [x, rows, z],
                    (b, t) => b.Add(b.Silu(b.GatherRows(t[0], t[1])), t[2]), t => Sum(Gathered(Silu(t[0]), t[1]), t[2]));
                yield return new($"GatherRows twice, once on shared rows {shape}", [x, rows, z],
                    (b, t) =>
                    {
                        var gathered = b.GatherRows(t[0], t[1]);
                        return b.Add(b.Add(gathered, t[2]), b.Silu(gathered));
                    },
                    t => Sum(Gathered(t[0], t[1]), t[2], Gathered(Silu(t[0]), t[1])));
                yield return new($"GatherRows and another way {shape}", [x, rows],
                    (b, t) => b.Add(b.GatherRows(t[0], t[1]), b.BroadcastDoubled(t[0])), t => Sum(Gathered(t[0], t[1]), Doubled(t[0]))) { RowsAreIndependent = false };
                yield return new($"GatherRows after another way {shape}", [x, rows],
                    (b, t) =>
                    {
                        var silu = b.Silu(t[0]);
                        return b.Add(b.BroadcastDoubled(silu), b.GatherRows(silu, t[1]));
                    },
                    t => Sum(Doubled(Silu(t[0])), Gathered(Silu(t[0]), t[1]))) { RowsAreIndependent = false };
            }
        }
    }

    private static DoubleTensor Gathered(DoubleTensor x, DoubleTensor sourceRow)
    {
        var y = new DoubleTensor(x.Shape.WithBatch((int)sourceRow.Shape.Count));
        for (int i = 0; i < y.Data.Length; i++) y.Data[i] = x.Data[(int)sourceRow.Data[i / x.Shape.RowCount] * x.Shape.RowCount + i % x.Shape.RowCount];
        return y;
    }

    private static DoubleTensor Doubled(DoubleTensor x) => new(x.Shape.WithBatch(2 * x.Shape.Batch), [.. x.Data, .. x.Data]);

    private static DoubleTensor Silu(DoubleTensor x) => new(x.Shape, [.. x.Data.Select(v => v / (1 + Math.Exp(-v)))]);

    private static DoubleTensor Sum(params DoubleTensor[] terms) => new(terms[0].Shape, [.. terms[0].Data.Select((_, i) => terms.Sum(t => t.Data[i]))]);
}
