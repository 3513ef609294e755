using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

public sealed class BlurTokensCases : ICaseList
{
    public static IEnumerable<OpCase> Cases =>
        from c in new (Shape Shape, double Sigma)[]
        {
            (new(2, 1, 3), 1), (new(1, 4, 1), 0.3), (new(2, 9, 5), 0.5), (new(1, 16, 17), 2), (new(1, 25, 2), 1e4), (new(2, 36, 3), double.PositiveInfinity), (new(1, 64, 2), 1.01),
        }
        select new OpCase($"BlurTokens {c.Shape} by {c.Sigma}", [new("x", c.Shape)], (b, x) => b.BlurTokens(x[0], c.Sigma), x => Oracle(x[0], c.Sigma));

    /// <summary>The two-dimensional kernel, tap by tap.</summary>
    internal static DoubleTensor Oracle(DoubleTensor x, double sigma)
    {
        var y = new DoubleTensor(x.Shape);
        int size = (int)Math.Sqrt(x.Shape[1]);
        if (sigma > 9999)
        {
            for (int i = 0; i < x.Data.Length; i++)
            {
                int n = i / (int)x.Shape.RowCount, c = i % x.Shape[2];
                y.Data[i] = Enumerable.Range(0, x.Shape[1]).Average(t => x[n, t, c]);
            }
            return y;
        }
        int width = (int)Math.Ceiling(6 * sigma);
        if (width % 2 == 0) width++;
        width = Math.Min(width, size % 2 == 0 ? size + 1 : size);
        int half = (width - 1) / 2;
        double total = 0;
        for (int u = -half; u <= half; u++)
            for (int v = -half; v <= half; v++) total += Math.Exp(-(u * u + v * v) / (2 * sigma * sigma));
        int Reflect(int i) => i < 0 ? -i : i >= size ? 2 * size - 2 - i : i;
        for (int n = 0; n < x.Shape[0]; n++)
            for (int h = 0; h < size; h++)
                for (int w = 0; w < size; w++)
                    for (int c = 0; c < x.Shape[2]; c++)
                        for (int u = -half; u <= half; u++)
                            for (int v = -half; v <= half; v++)
                                y[n, h * size + w, c] += Math.Exp(-(u * u + v * v) / (2 * sigma * sigma)) / total * x[n, Reflect(h + u) * size + Reflect(w + v), c];
        return y;
    }
}
