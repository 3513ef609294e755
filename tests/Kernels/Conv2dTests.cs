using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Kernels;

public sealed class Conv2dTests
{
    private const int RandomCases = 120;

    private static readonly Conv2dShape[] Shapes =
    [
        new(2, 32, 32, 32, 32, 3, 3, 1, 1),
        new(3, 16, 16, 64, 64, 3, 3, 1, 1),
        new(5, 8, 8, 64, 96, 3, 3, 1, 1),
        new(2, 8, 8, 130, 70, 3, 3, 1, 1),
        new(3, 4, 4, 48, 32, 3, 3, 1, 1),
        new(2, 17, 11, 20, 33, 3, 3, 1, 1),
        new(2, 19, 32, 3, 40, 3, 3, 1, 1),
        new(2, 32, 32, 32, 1, 3, 3, 1, 1),
        new(2, 32, 32, 1, 32, 3, 3, 1, 1),
        new(2, 32, 32, 32, 32, 3, 3, 2, 1),
        new(2, 16, 16, 128, 64, 1, 1, 1, 0),
        new(1, 1, 1, 5, 7, 3, 3, 1, 1),
        new(1, 33, 34, 16, 6, 3, 3, 1, 1),
        new(2, 8, 8, 200, 150, 3, 3, 1, 1),
        new(2, 56, 57, 50, 36, 3, 3, 1, 1),
        new(3, 1, 1, 40, 24, 3, 3, 1, 1),
        new(3, 2, 5, 33, 70, 3, 3, 1, 1),
        new(2, 13, 9, 4, 6, 3, 3, 1, 1),
        new(2, 21, 20, 3, 21, 5, 5, 2, 2),
        new(3, 57, 58, 17, 20, 3, 3, 1, 1),
        // Wide layers, whose weights are transformed in every pass: odd channels and sizes; more tiles than one round takes.
        new(1, 8, 8, 290, 330, 3, 3, 1, 1),
        new(2, 26, 20, 1300, 64, 3, 3, 1, 1),
        new(1, 9, 13, 83, 1003, 3, 3, 1, 1),
    ];

    public static IEnumerable<Conv2dShape> AllShapes()
    {
        var random = new Random(1);
        foreach (var shape in Shapes) yield return shape;
        for (int i = 0; i < RandomCases;)
        {
            int kernel = new[] { 1, 2, 3, 3, 3, 5, 7 }[random.Next(7)];
            var shape = new Conv2dShape(random.Next(1, 4), random.Next(1, 24), random.Next(1, 24), random.Next(1, 71), random.Next(1, 71), kernel,
                random.Next(4) == 0 ? random.Next(1, 4) : kernel, random.Next(1, 4), random.Next(4));
            if (random.Next(4) == 0) shape = shape with { EndPadding = random.Next(4) };
            if (random.Next(4) == 0) shape = shape with { WidthPadding = random.Next(4) };
            if (shape.Height + shape.Padding + shape.EndPadding < shape.KernelHeight || shape.OutWidth < 1) continue;
            i++;
            yield return shape;
        }
    }

    [TestCaseSource(nameof(AllShapes))]
    public void PlainConvolutionAgreesWithDouble(Conv2dShape shape)
    {
        using var kernels = new CpuKernels(2);
        using var run = new Conv2dRun(kernels, shape, seed: 3, fused: false);
        run.RunAll();
        run.Check();
    }

    [Test]
    public void FusedConvolutionAgreesWithDouble([Range(0, 59)] int seed)
    {
        using var kernels = new CpuKernels(2);
        var random = new Random(seed);
        var shape = AllShapes().ElementAt(seed < Shapes.Length ? seed : random.Next(Shapes.Length + RandomCases));
        shape = shape with { Height = (shape.Height + 1) / 2 * 2, Width = (shape.Width + 1) / 2 * 2, Batch = 3 };
        using var run = new Conv2dRun(kernels, shape, seed, fused: true);
        run.RunAll();
        run.Check();
    }

    [Test]
    public void ResultsDoNotDependOnThreads([Range(0, 32)] int index)
    {
        var shape = AllShapes().ElementAt(index) with { Batch = 4 };
        float[][]? expected = null;
        foreach (int threads in new[] { 1, 2, 7 })
        {
            using var kernels = new CpuKernels(threads);
            using var run = new Conv2dRun(kernels, shape, seed: 5, fused: false);
            run.RunAll();
            expected ??= run.Results();
            Assert.That(run.Results(), Is.EqualTo(expected), $"{threads} threads");
        }
    }

    [Test]
    public void RowsDoNotDependOnTheBatch([Range(0, 32)] int index)
    {
        var shape = AllShapes().ElementAt(index) with { Batch = 5 };
        using var kernels = new CpuKernels(2);
        using var whole = new Conv2dRun(kernels, shape, seed: 5, fused: false);
        whole.RunAll();
        (float[] y, float[] du) = (whole.Results()[0], whole.Results()[1]);
        whole.RunRows([(0, 2), (2, 1), (3, 2)]);
        Assert.That(whole.Results()[0], Is.EqualTo(y));
        Assert.That(whole.Results()[1], Is.EqualTo(du));
    }

    [Test]
    public void TheSecondRunAllocatesNothing([Values(0, 5, 8, 9, 10, 19, 20)] int index)
    {
        using var kernels = new CpuKernels(2);
        using var run = new Conv2dRun(kernels, Shapes[index], seed: 5, fused: true);
        run.RunAll();
        long before = GC.GetAllocatedBytesForCurrentThread();
        run.RunAll();
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }

    [Test]
    public void AccumulationAddsToWhatWasThere([Values(0, 4, 5, 9, 14, 17, 19, 20)] int index)
    {
        using var kernels = new CpuKernels(2);
        using var run = new Conv2dRun(kernels, Shapes[index], seed: 5, fused: false);
        run.RunAll();
        float[][] once = run.Results();
        run.RunAll(accumulate: true);
        float[][] twice = run.Results();
        for (int result = 1; result < once.Length; result++)
        {
            float largest = once[result].Max(MathF.Abs);
            for (int i = 0; i < once[result].Length; i++)
                Assert.That(twice[result][i], Is.EqualTo(2 * once[result][i]).Within(4e-6f * largest));
        }
    }
}
