using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

public sealed class ClampCases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var shape in new Shape[] { new(1, 1), new(2, 15), new(2, 16), new(3, 17), new(2, 33), new(2, 20000) })
                yield return new($"Clamp {shape}", [new("x", shape)], (b, x) => b.Clamp(x[0], -1, 0.5f), x => Oracle(x[0], 1));
            yield return new("Clamp twice", [new("x", new(2, 21))], (b, x) => b.Add(b.Clamp(x[0], -1, 0.5f), b.Clamp(x[0], -1, 0.5f)), x => Oracle(x[0], 2));
        }
    }

    private static DoubleTensor Oracle(DoubleTensor x, double times) => new(x.Shape, [.. x.Data.Select(v => times * Math.Clamp(v, -1, 0.5))]);
}
