using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

public sealed class PairwiseCases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var function in Enum.GetValues<PairFunction>())
            {
                foreach (var (a, b) in new (Shape, Shape)[] { (new(2, 3, 5, 17), new(2, 3, 5, 17)), (new(2, 3, 4, 9), new(2, 1, 1, 9)), (new(2, 1, 3), new(2, 7, 1)) })
                    yield return Case(function, a, b, bBatched: true);
                yield return Case(function, new(2, 4, 3, 33), new(1, 1, 1, 33), bBatched: false);
            }
            yield return Case(PairFunction.Multiply, new(2, 20000), new(2, 1), bBatched: true);
            yield return Case(PairFunction.Multiply, new(2, 5, 3, 2), new(1, 1, 3, 1), bBatched: false);
            yield return new("Multiply by itself", [new("x", new(3, 17))], (b, x) => b.Combine(PairFunction.Multiply, x[0], x[0]), x => new(x[0].Shape, [.. x[0].Data.Select(v => v * v)]));
            yield return new("Subtract twice, repeated", [new("x", new(2, 3, 5)), new("y", new(2, 1, 5))],
                (b, x) => b.Combine(PairFunction.Subtract, b.Combine(PairFunction.Subtract, x[0], x[1]), x[1]),
                x => Oracle(PairFunction.Subtract, Oracle(PairFunction.Subtract, x[0], x[1]), x[1]));
        }
    }

    // A divisor near 0 has no meaning in differences: it is a power.
    private static OpCase Case(PairFunction function, Shape a, Shape b, bool bBatched) => new(
        $"{function} {a} {b}", [new("a", a), new("b", b, Batched: bBatched)],
        (builder, x) => builder.Combine(function, x[0], function == PairFunction.Divide ? builder.Apply(ElementFunction.Exp, x[1]) : x[1]),
        x => Oracle(function, x[0], function == PairFunction.Divide ? new(x[1].Shape, [.. x[1].Data.Select(Math.Exp)]) : x[1]));

    private static DoubleTensor Oracle(PairFunction function, DoubleTensor a, DoubleTensor b)
    {
        int rank = a.Shape.Rank;
        var y = new DoubleTensor(Shape.Of([.. Enumerable.Range(0, rank).Select(i => Math.Max(a.Shape[i], b.Shape[i]))]));
        for (int i = 0; i < y.Data.Length; i++)
        {
            double p = At(a, i), q = At(b, i);
            y.Data[i] = function switch
            {
                PairFunction.Add => p + q,
                PairFunction.Subtract => p - q,
                PairFunction.Multiply => p * q,
                PairFunction.Divide => p / q,
                PairFunction.Max => Math.Max(p, q),
                _ => Math.Min(p, q),
            };
        }
        return y;
        double At(DoubleTensor x, int index)
        {
            int at = 0, stride = 1;
            for (int d = rank - 1; d >= 0; index /= y.Shape[d], d--)
            {
                if (x.Shape[d] > 1) at += index % y.Shape[d] * stride;
                stride *= x.Shape[d];
            }
            return x.Data[at];
        }
    }
}
