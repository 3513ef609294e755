using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

public sealed class SiluCases : ICaseList
{
    public static IEnumerable<OpCase> Cases =>
        from shape in new Shape[] { new(1), new(2, 7), new(2, 15), new(2, 16), new(3, 17), new(2, 33), new(2, 20000) }
        select new OpCase($"Silu {shape}", [new("x", shape, Scale: 4, Batched: shape.Rank > 1)], (b, x) => b.Silu(x[0]),
            x => new(x[0].Shape, [.. x[0].Data.Select(v => v / (1 + Math.Exp(-v)))]))
        { RowsAreIndependent = shape.Rank > 1 };
}
