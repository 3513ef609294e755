using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

public sealed class DropoutCases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var shape in new Shape[] { new(1, 1), new(3, 15), new(2, 33), new(3, 5, 7, 3), new(2, 9, 16), new(2, 20000) })
                foreach (float p in new[] { 0.1f, 0.75f })
                    yield return new OpCase($"Dropout {shape} p={p}", [new("x", shape), new("sampleIndex", new Shape(shape.Batch), Fill.Index, 100)],
                        (b, x) => b.Dropout(x[0], p, new(21), new(4), x[1]), x => Mask(x[0], x[1], p, 0)) { Training = true };
            var small = new Shape(2, 5, 7, 3);
            InputSpec[] inputs = [new("x", small), new("sampleIndex", new Shape(2), Fill.Index, 100)];
            yield return new OpCase("Dropout twice, then added to its input", inputs, (b, x) =>
            {
                var once = b.Dropout(x[0], 0.5f, new(21), new(4), x[1]);
                return b.Add(b.Dropout(once, 0.5f, new(21), new(4), x[1]), x[0]);
            }, x =>
            {
                var y = Mask(Mask(x[0], x[1], 0.5f, 0), x[1], 0.5f, 1);
                return new(y.Shape, [.. y.Data.Zip(x[0].Data, (a, b) => a + b)]);
            }) { Training = true };
            yield return new OpCase("Dropout outside training, after silu", inputs, (b, x) => b.Dropout(b.Silu(x[0]), 0.5f, new(21), new(4), x[1]),
                x => new(x[0].Shape, [.. x[0].Data.Select(v => v / (1 + Math.Exp(-v)))]));
        }
    }

    private static DoubleTensor Mask(DoubleTensor x, DoubleTensor sampleIndex, float p, uint layer)
    {
        var y = new DoubleTensor(x.Shape);
        for (int i = 0; i < y.Data.Length; i++)
        {
            int row = (int)(i / x.Shape.RowCount), element = (int)(i % x.Shape.RowCount);
            var (w0, w1, w2, w3) = Philox.Block(21, (uint)element / 4, (uint)sampleIndex.Data[row], 4, (uint)RandomStream.Dropout + 256 * layer);
            double uniform = ((element % 4) switch { 0 => w0, 1 => w1, 2 => w2, _ => w3 } + 0.5) / 4294967296;
            y.Data[i] = uniform > p ? x.Data[i] / (1 - (double)p) : 0;
        }
        return y;
    }
}
