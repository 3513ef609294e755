using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

public sealed class MatMulCases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var (m, k, n) in new[] { (1, 1, 1), (5, 17, 3), (7, 4, 33) })
                foreach (bool transposed in new[] { false, true })
                {
                    Shape a = new(3, m, k), b = transposed ? new(3, n, k) : new(3, k, n);
                    yield return new($"MatMul {a} {b}", [new("a", a), new("b", b)], (p, x) => p.MatMul(x[0], x[1], transposed), x => Oracle(x[0], x[1], transposed));
                }
            foreach (bool transposed in new[] { false, true })
                yield return new($"MatMul by itself, transposed {transposed}", [new("x", new(2, 5, 5))], (p, x) => p.MatMul(x[0], x[0], transposed), x => Oracle(x[0], x[0], transposed));
        }
    }

    private static DoubleTensor Oracle(DoubleTensor a, DoubleTensor b, bool transposed)
    {
        var y = new DoubleTensor(new Shape(a.Shape[0], a.Shape[1], b.Shape[transposed ? 1 : 2]));
        for (int s = 0; s < y.Shape[0]; s++)
            for (int i = 0; i < y.Shape[1]; i++)
                for (int j = 0; j < y.Shape[2]; j++)
                    for (int k = 0; k < a.Shape[2]; k++) y[s, i, j] += a[s, i, k] * (transposed ? b[s, j, k] : b[s, k, j]);
        return y;
    }
}
