using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

/// <summary>Patches, gated residuals, what is added to every row, and normalised rows.</summary>
public sealed class TransformerCases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var (shape, patch) in new (Shape, int)[]
            {
                (new(2, 1, 1, 1), 1), (new(2, 4, 6, 3), 2), (new(1, 6, 3, 5), 3), (new(2, 8, 8, 4), 4), (new(2, 4, 8, 16), 2), (new(1, 56, 28, 3), 14),
            })
            {
                yield return new($"Patchify {shape} {patch}", [new("x", shape)], (b, x) => b.Patchify(x[0], patch), x => Patchify(x[0], patch));
                yield return new($"Patchify twice {shape} {patch}", [new("x", shape)], (b, x) => b.Add(b.Patchify(x[0], patch), b.Patchify(x[0], patch)),
                    x => Twice(Patchify(x[0], patch)));
                Shape tokens = new(shape[0], shape[1] * shape[2] / patch / patch, patch * patch * shape[3]);
                yield return new($"Unpatchify {tokens} to {shape}", [new("x", tokens)], (b, x) => b.Unpatchify(x[0], patch, shape[1]),
                    x => Unpatchify(x[0], patch, shape));
                yield return new($"Unpatchify twice {tokens} to {shape}", [new("x", tokens)],
                    (b, x) => b.Add(b.Unpatchify(x[0], patch, shape[1]), b.Unpatchify(x[0], patch, shape[1])), x => Twice(Unpatchify(x[0], patch, shape)));
            }
            foreach (var shape in new Shape[] { new(2, 1), new(3, 17), new(2, 5, 33), new(2, 3, 2, 64), new(2, 300, 16), new(1, 3, 1000) })
            {
                InputSpec gate = new("gate", new Shape(shape.Batch, shape.Channels));
                yield return new($"GatedAdd {shape}", [new("x", shape), gate, new("h", shape)],
                    (b, x) => b.GatedAdd(x[0], x[1], x[2]), x => GatedAdd(x[0], x[1], x[2]));
                yield return new($"GatedAdd chained {shape}", [new("x", shape), gate],
                    (b, x) => b.GatedAdd(b.GatedAdd(x[0], x[1], x[0]), x[1], x[0]), x => GatedAdd(GatedAdd(x[0], x[1], x[0]), x[1], x[0]));
                Shape row = shape.WithBatch(1);
                yield return new($"AddShared {shape}", [new("x", shape), new("shared", row, Batched: false)],
                    (b, x) => b.AddShared(x[0], x[1]), x => AddShared(x[0], x[1], 1));
                yield return new($"AddShared twice {shape}", [new("x", shape), new("shared", row, Batched: false)],
                    (b, x) => b.AddShared(b.AddShared(x[0], x[1]), x[1]), x => AddShared(x[0], x[1], 2));
                yield return new($"L2Normalize {shape}", [new("x", shape)], (b, x) => b.L2Normalize(x[0]), x => Normalize(x[0]));
                yield return new($"L2Normalize twice {shape}", [new("x", shape)],
                    (b, x) => b.Add(b.L2Normalize(x[0]), b.L2Normalize(x[0])), x => Twice(Normalize(x[0])));
            }
            yield return new("AddShared [40000]", [new("x", new Shape(2, 40000)), new("shared", new Shape(40000), Batched: false)],
                (b, x) => b.AddShared(x[0], x[1]), x => AddShared(x[0], x[1], 1));
        }
    }

    private static DoubleTensor Twice(DoubleTensor x) => new(x.Shape, [.. x.Data.Select(v => 2 * v)]);

    private static DoubleTensor Patchify(DoubleTensor x, int patch)
    {
        var (shape, across) = (x.Shape, x.Shape[2] / patch);
        var y = new DoubleTensor(new Shape(shape[0], shape[1] / patch * across, patch * patch * shape[3]));
        for (int n = 0; n < shape[0]; n++)
            for (int i = 0; i < shape[1]; i++)
                for (int j = 0; j < shape[2]; j++)
                    for (int c = 0; c < shape[3]; c++)
                        y[n, i / patch * across + j / patch, (i % patch * patch + j % patch) * shape[3] + c] = x[n, i, j, c];
        return y;
    }

    private static DoubleTensor Unpatchify(DoubleTensor x, int patch, Shape image)
    {
        // The batch may be 1 here: the extents come from the tokens.
        var y = new DoubleTensor(image.WithBatch(x.Shape[0]));
        var places = Patchify(new(y.Shape, [.. Enumerable.Range(0, y.Data.Length).Select(i => (double)i)]), patch);
        for (int i = 0; i < places.Data.Length; i++) y.Data[(int)places.Data[i]] = x.Data[i];
        return y;
    }

    private static DoubleTensor GatedAdd(DoubleTensor x, DoubleTensor gate, DoubleTensor h)
    {
        int width = x.Shape.Channels, row = (int)x.Shape.RowCount;
        return new(x.Shape, [.. x.Data.Select((v, i) => v + gate.Data[i / row * width + i % width] * h.Data[i])]);
    }

    private static DoubleTensor AddShared(DoubleTensor x, DoubleTensor shared, double factor) =>
        new(x.Shape, [.. x.Data.Select((v, i) => v + factor * shared.Data[i % shared.Data.Length])]);

    private static DoubleTensor Normalize(DoubleTensor x)
    {
        int width = x.Shape.Channels;
        return new(x.Shape, [.. x.Data.Chunk(width).SelectMany(row => row.Select(v => v / Math.Sqrt(row.Sum(r => r * r))))]);
    }
}
