using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

public sealed class GroupNormCases : ICaseList
{
    private const double Epsilon = 1e-5;

    public static IEnumerable<OpCase> Cases
    {
        get
        {
            // Groups of 1, 2, 3, odd and many channels; tails beside every vector width; several bands and slabs; one position.
            (Shape X, int Groups)[] shapes =
            [
                (new(2, 3, 5, 4), 2), (new(1, 4, 4, 8), 8), (new(2, 2, 3, 9), 3), (new(2, 1, 2, 35), 5), (new(2, 7, 1, 17), 1),
                (new(3, 40, 6), 3), (new(3, 12), 4), (new(2, 9, 9, 32), 32), (new(2, 17, 19, 48), 16), (new(1, 3, 3, 320), 32), (new(2, 3, 7, 264), 33),
                (new(9, 2, 2, 3), 1), (new(2, 1, 3, 1230), 82), (new(2, 5, 2, 2080), 65),
            ];
            foreach (var (shape, groups) in shapes)
                foreach (bool silu in new[] { false, true })
                    foreach (bool modulated in new[] { false, true })
                        yield return Case(shape, groups, silu, modulated);
            yield return Twice(new(2, 5, 5, 20), 4);
        }
    }

    private static OpCase Case(Shape shape, int groups, bool silu, bool modulated)
    {
        var parameters = new Shape(shape.Channels);
        InputSpec[] inputs =
        [
            new("x", shape, Scale: 2), new("gamma", parameters, Batched: false), new("beta", parameters, Batched: false),
            .. modulated ? new InputSpec[] { new("scaleShift", new Shape(shape.Batch, 2 * shape.Channels), Scale: 0.5) } : [],
        ];
        string name = $"GroupNorm {shape} groups={groups}{(silu ? " silu" : "")}{(modulated ? " scaleShift" : "")}";
        return new OpCase(name, inputs, (b, x) => b.GroupNorm(x[0], x[1], x[2], groups, Epsilon, modulated ? x[3] : null, silu),
            x => Oracle(x[0], x[1].Data, x[2].Data, modulated ? x[3] : null, groups, silu));
    }

    /// <summary>Two norms of one tensor with the same parameters: every gradient is written once and added to once.</summary>
    private static OpCase Twice(Shape shape, int groups)
    {
        var parameters = new Shape(shape.Channels);
        return new OpCase($"GroupNorm twice {shape} groups={groups}",
            [
                new("x", shape), new("gamma", parameters, Batched: false), new("beta", parameters, Batched: false),
                new("scaleShift", new Shape(shape.Batch, 2 * shape.Channels)),
            ],
            (b, x) => b.Add(
                b.GroupNorm(x[0], x[1], x[2], groups, Epsilon, x[3]), b.GroupNorm(x[0], x[1], x[2], groups, Epsilon, x[3], silu: true)),
            x => new(x[0].Shape,
            [
                .. Oracle(x[0], x[1].Data, x[2].Data, x[3], groups, false).Data
                    .Zip(Oracle(x[0], x[1].Data, x[2].Data, x[3], groups, true).Data, (p, q) => p + q),
            ]));
    }

    internal static DoubleTensor Oracle(DoubleTensor x, double[] gamma, double[] beta, DoubleTensor? scaleShift, int groups, bool silu)
    {
        int channels = x.Shape.Channels, size = channels / groups, positions = (int)(x.Shape.RowCount / channels);
        var y = new DoubleTensor(x.Shape);
        for (int n = 0; n < x.Shape.Batch; n++)
            for (int g = 0; g < groups; g++)
            {
                int[] members =
                [
                    .. Enumerable.Range(0, positions)
                        .SelectMany(p => Enumerable.Range(g * size, size).Select(c => (n * positions + p) * channels + c)),
                ];
                double mean = members.Average(i => x.Data[i]);
                double rstd = 1 / Math.Sqrt(members.Average(i => (x.Data[i] - mean) * (x.Data[i] - mean)) + Epsilon);
                foreach (int i in members)
                {
                    int c = i % channels;
                    double u = (x.Data[i] - mean) * rstd * gamma[c] + beta[c];
                    if (scaleShift is not null) u = u * (1 + scaleShift[n, c]) + scaleShift[n, channels + c];
                    y.Data[i] = silu ? u / (1 + Math.Exp(-u)) : u;
                }
            }
        return y;
    }
}
