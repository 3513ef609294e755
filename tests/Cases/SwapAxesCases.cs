using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

public sealed class SwapAxesCases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var shape in new Shape[] { new(1, 1, 1, 1), new(2, 3, 17, 1), new(3, 16, 33, 1), new(2, 5, 3, 17), new(2, 18, 7, 16) })
                yield return new($"SwapAxes {shape}", [new("x", shape)], (b, x) => b.SwapAxes(x[0]), x => Oracle(x[0], 1));
            foreach (var shape in new Shape[] { new(2, 3, 17, 1), new(2, 5, 3, 7) })
                yield return new($"SwapAxes twice {shape}", [new("x", shape)], (b, x) => b.Add(b.SwapAxes(x[0]), b.SwapAxes(x[0])), x => Oracle(x[0], 2));
        }
    }

    private static DoubleTensor Oracle(DoubleTensor x, double times)
    {
        var y = new DoubleTensor(new Shape(x.Shape[0], x.Shape[2], x.Shape[1], x.Shape[3]));
        for (int a = 0; a < x.Shape[0]; a++)
            for (int b = 0; b < x.Shape[1]; b++)
                for (int c = 0; c < x.Shape[2]; c++)
                    for (int d = 0; d < x.Shape[3]; d++) y[a, c, b, d] = times * x[a, b, c, d];
        return y;
    }
}
