using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Cases;

public sealed class ClassificationCases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var shape in new Shape[] { new(1, 1), new(3, 5), new(2, 17), new(4, 1000), new(300, 10), new(2, 3, 40) })
            {
                yield return new($"LogSoftmax {shape}", [new("x", shape, Scale: 5)], (b, x) => b.LogSoftmax(x[0]), x => LogSoftmax(x[0]));
                yield return new($"LogSoftmax twice {shape}", [new("x", shape, Scale: 5)],
                    (b, x) => b.Add(b.LogSoftmax(x[0]), b.LogSoftmax(x[0])),
                    x => new(x[0].Shape, [.. LogSoftmax(x[0]).Data.Select(v => 2 * v)]));
                if (shape.Rank > 2) continue;
                InputSpec[] inputs = [new("logits", shape, Scale: 5), new("labels", new Shape(shape.Batch), Fill.Index, shape.Channels)];
                yield return new($"CrossEntropy {shape}", inputs,
                    (b, x) => b.CrossEntropyLoss(x[0], x[1]), x => CrossEntropy(x[0], x[1], 1))
                { RowsAreIndependent = false };
                yield return new($"CrossEntropy twice {shape}", inputs,
                    (b, x) => b.Add(b.CrossEntropyLoss(x[0], x[1]), b.CrossEntropyLoss(x[0], x[1])), x => CrossEntropy(x[0], x[1], 2))
                { RowsAreIndependent = false };
            }
        }
    }

    private static DoubleTensor LogSoftmax(DoubleTensor x)
    {
        static IEnumerable<double> Row(double[] row)
        {
            double max = row.Max(), logSum = Math.Log(row.Sum(v => Math.Exp(v - max)));
            return row.Select(v => v - max - logSum);
        }
        return new(x.Shape, [.. x.Data.Chunk(x.Shape.Channels).SelectMany(Row)]);
    }

    private static DoubleTensor CrossEntropy(DoubleTensor logits, DoubleTensor labels, double factor)
    {
        double[] rows = LogSoftmax(logits).Data;
        return new(new Shape(1), [-factor * labels.Data.Select((label, n) => rows[n * logits.Shape.Channels + (int)label]).Average()]);
    }
}
