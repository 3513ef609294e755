using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

public sealed class LossCases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var (shape, extra) in new (Shape, int)[]
            {
                (new(1, 1), 0), (new(3, 17), 0), (new(2, 3, 5, 3), 0), (new(2, 3, 5, 3), 3), (new(2, 150, 150, 1), 0),
                (new(3, 90, 80, 3), 3), (new(2, 40, 33), 1),
            })
            {
                var wide = shape.WithChannels(shape.Channels + extra);
                foreach (bool weighted in new[] { false, true })
                {
                    InputSpec[] inputs =
                    [
                        new("prediction", wide), new("target", shape) { Constant = true },
                        .. weighted ? new InputSpec[] { new("weight", new Shape(shape.Batch), Fill.Positive, 3) { Constant = true } } : [],
                    ];
                    string name = $"{wide} against {shape}{(weighted ? " weighted" : "")}";
                    yield return new OpCase($"MseLoss {name}", inputs, (b, x) => b.MseLoss(x[0], x[1], weighted ? x[2] : null).Loss,
                        x => new(new Shape(1), [Rows(x[0], x[1]).Data.Select((v, n) => weighted ? v * x[2].Data[n] : v).Average()]))
                    { RowsAreIndependent = false };
                    yield return new OpCase($"MseLoss rows {name}", [.. inputs.Select(i => i with { Constant = true })],
                        (b, x) => b.MseLoss(x[0], x[1], weighted ? x[2] : null).RowLosses, x => Rows(x[0], x[1]));
                }
            }
            var square = new Shape(2, 4, 4, 6);
            yield return new OpCase("MseLoss twice, learned variance",
                [new("prediction", square), new("target", square.WithChannels(3)) { Constant = true }],
                (b, x) => b.Add(b.MseLoss(x[0], x[1]).Loss, b.MseLoss(x[0], x[1]).Loss),
                x => new(new Shape(1), [2 * Rows(x[0], x[1]).Data.Average()]))
            { RowsAreIndependent = false };
        }
    }

    private static DoubleTensor Rows(DoubleTensor prediction, DoubleTensor target)
    {
        int channels = target.Shape.Channels, wide = prediction.Shape.Channels;
        int rows = target.Shape.Batch, length = target.Data.Length / rows;
        double Difference(int i) => prediction.Data[i / channels * wide + i % channels] - target.Data[i];
        return new(new Shape(rows),
        [
            .. Enumerable.Range(0, rows).Select(n => Enumerable.Range(n * length, length).Average(i => Difference(i) * Difference(i))),
        ]);
    }
}
