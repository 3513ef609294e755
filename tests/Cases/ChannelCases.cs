using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

public sealed class ChannelCases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var (shape, right) in new (Shape, int)[]
            {
                (new(2, 1), 1), (new(3, 17), 5), (new(2, 5, 16), 32), (new(2, 3, 5, 3), 40), (new(1, 9, 9, 64), 35), (new(2, 200, 100), 3),
            })
            {
                yield return new($"Concat {shape} with {right}", [new("a", shape), new("b", shape.WithChannels(right))],
                    (b, x) => b.Concat(x[0], x[1]), x => Concat(x[0], x[1]));
                // Both gradients of a come from one call: the right half has to be added to the left one.
                yield return new($"Concat [a,a] + [a,a] {shape}", [new("a", shape)],
                    (b, x) => b.Add(b.Concat(x[0], x[0]), b.Concat(x[0], x[0])),
                    x => new(x[0].Shape.WithChannels(2 * x[0].Shape.Channels), [.. Concat(x[0], x[0]).Data.Select(v => 2 * v)]));
            }
            foreach (var (shape, start, count) in new (Shape, int, int)[]
            {
                (new(2, 1), 0, 1), (new(3, 17), 16, 1), (new(2, 3, 4, 48), 16, 16), (new(2, 3, 4, 40), 3, 33), (new(1, 9, 9, 64), 1, 62),
            })
            {
                yield return new($"Slice {shape} {start}+{count}", [new("x", shape)], (b, x) => b.Slice(x[0], start, count),
                    x => Slice(x[0], start, count));
                yield return new($"Slice {shape} {start}+{count} and all", [new("x", shape)],
                    (b, x) => b.Concat(b.Slice(x[0], start, count), b.Slice(x[0], 0, shape.Channels)),
                    x => Concat(Slice(x[0], start, count), x[0]));
            }
        }
    }

    private static DoubleTensor Concat(DoubleTensor a, DoubleTensor b)
    {
        int left = a.Shape.Channels, right = b.Shape.Channels;
        return new(a.Shape.WithChannels(left + right),
        [
            .. Enumerable.Range(0, a.Data.Length / left)
                .SelectMany(p => a.Data.Skip(p * left).Take(left).Concat(b.Data.Skip(p * right).Take(right))),
        ]);
    }

    private static DoubleTensor Slice(DoubleTensor x, int start, int count) =>
        new(x.Shape.WithChannels(count), [.. x.Data.Where((_, i) => i % x.Shape.Channels - start is var c && c >= 0 && c < count)]);
}
