using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

public sealed class AddNoiseCases : ICaseList
{
    private const ulong Seed = 0xfedcba9876543210;
    private const uint Step = 31;

    private static readonly Shape[] Shapes = [new(2, 1), new(3, 15), new(2, 33), new(3, 5, 7, 3), new(2, 4, 4, 4), new(2, 20000)];

    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var shape in Shapes)
            {
                yield return new OpCase($"NormalNoise {shape}", [new("sampleIndex", new Shape(shape.Batch), Fill.Index, 1000)],
                    (b, x) => b.NormalNoise(shape.WithBatch(x[0].Shape.Batch), x[0], new(Seed), new(Step), RandomStream.InitialNoise, 1.5f),
                    x => Each(shape, (n, e) => 1.5 * Philox.Normal(Seed, (uint)x[0].Data[n], Step, RandomStream.InitialNoise, e)));
                foreach (var target in Enum.GetValues<PredictionTarget>())
                    foreach (bool z in new[] { true, false })
                        yield return new OpCase($"AddNoise {shape} {target} {(z ? "z" : "target")}",
                        [
                            new("x", shape) { Constant = true }, new("alpha", new Shape(shape.Batch), Fill.Positive) { Constant = true },
                            new("sigma", new Shape(shape.Batch), Fill.Positive) { Constant = true },
                            new("sampleIndex", new Shape(shape.Batch), Fill.Index, 1000),
                        ], (b, x) =>
                        {
                            var (noisy, wanted) = b.AddNoise(x[0], x[1], x[2], x[3], new(Seed), new(Step), target);
                            return z ? noisy : wanted;
                        }, x => Each(shape, (n, e) =>
                        {
                            double noise = Philox.Normal(Seed, (uint)x[3].Data[n], Step, RandomStream.StepNoise, e);
                            double clean = x[0].Data[n * shape.RowCount + e], alpha = x[1].Data[n], sigma = x[2].Data[n];
                            return z ? alpha * clean + sigma * noise : target switch
                            {
                                PredictionTarget.Eps => noise,
                                PredictionTarget.X0 => clean,
                                _ => alpha * noise - sigma * clean,
                            };
                        }));
            }
        }
    }

    private static DoubleTensor Each(Shape shape, Func<int, long, double> element)
    {
        var result = new DoubleTensor(shape);
        for (int i = 0; i < result.Data.Length; i++) result.Data[i] = element((int)(i / shape.RowCount), i % shape.RowCount);
        return result;
    }
}
