using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

public sealed class QuantileCases : ICaseList
{
    public static IEnumerable<OpCase> Cases =>
        from shape in new Shape[] { new(1, 1), new(3, 2), new(2, 15), new(2, 33), new(2, 3, 5, 7), new(2, 20000) }
        from c in new (double Quantile, double Most, double Scale)[] { (0, double.PositiveInfinity, 30), (0.5, 2.5, 4), (0.995, double.PositiveInfinity, 4), (1, 1e9, 4), (0.7, 5, 0.1) }
        select new OpCase($"Quantile {shape} at {c.Quantile}, at most {c.Most}, values of {c.Scale}", [new("x", shape, Scale: c.Scale) { Constant = true }],
            (b, x) => b.Quantile(x[0], c.Quantile, c.Most), x => Oracle(x[0], c.Quantile, c.Most)) { Tolerance = 1e-6 };

    private static DoubleTensor Oracle(DoubleTensor x, double quantile, double most)
    {
        int length = (int)x.Shape.RowCount;
        return new(new Shape(x.Shape.Batch), [.. x.Data.Chunk(length).Select(sample =>
        {
            double[] sorted = [.. sample.Select(Math.Abs).Order()];
            double place = quantile * (length - 1);
            int below = (int)Math.Floor(place), above = (int)Math.Ceiling(place);
            return Math.Min(Math.Max(sorted[below] + (sorted[above] - sorted[below]) * (place - below), 1), most);
        })]);
    }
}
