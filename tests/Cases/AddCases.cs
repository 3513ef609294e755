using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

public sealed class AddCases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var shape in new Shape[] { new(1, 1), new(3, 17), new(2, 3, 5, 7), new(2, 130, 130) })
            {
                yield return new($"Add {shape}", [new("a", shape), new("b", shape)], (b, x) => b.Add(x[0], x[1]),
                    x => new(x[0].Shape, [.. x[0].Data.Zip(x[1].Data, (p, q) => p + q)]));
                // The gradient of a passes through twice, and that of the sum is shared: copies and accumulation are exercised.
                yield return new($"Add a+b+a {shape}", [new("a", shape), new("b", shape)], (b, x) => b.Add(b.Add(x[0], x[1]), x[0]),
                    x => new(x[0].Shape, [.. x[0].Data.Zip(x[1].Data, (p, q) => 2 * p + q)]));
            }
        }
    }
}
