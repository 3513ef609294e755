using NativeDiffusion.Kernels;
using NativeDiffusion.Tests.Reference;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Kernels;

public class MatMulTests
{
    // Sizes around the vector widths, the tiles, the panels and the cache blocks.
    private static readonly (int Rows, int Inputs, int Outputs)[] Sizes =
    [
        (1, 1, 1), (1, 3, 2), (2, 5, 7), (3, 15, 9), (4, 16, 17), (5, 17, 31), (8, 32, 33), (16, 64, 65), (17, 31, 63), (31, 33, 15),
        (32, 8, 16), (33, 10, 5), (47, 130, 70), (64, 257, 40), (65, 256, 300), (129, 513, 258), (260, 300, 129), (1, 600, 300), (270, 150, 280),
    ];

    [TestCaseSource(nameof(Sizes))]
    public void Forward_and_gradients_match_the_oracle((int Rows, int Inputs, int Outputs) size)
    {
        var (rows, inputs, outputs) = size;
        using IKernels kernels = new CpuKernels(2);
        using var x = GuardedTensors.Random(1, 1, rows, inputs);
        using var weight = GuardedTensors.Random(2, 1, outputs, inputs);
        using var bias = GuardedTensors.Random(3, 1, outputs);
        using var dy = GuardedTensors.Random(4, 1, rows, outputs);
        using var y = GuardedTensors.Empty(rows, outputs);
        using var plain = GuardedTensors.Empty(rows, outputs);
        using var dx = GuardedTensors.Empty(rows, inputs);
        using var dw = GuardedTensors.Empty(outputs, inputs);
        using var db = GuardedTensors.Empty(outputs);

        kernels.LinearForward(x.View, weight.View, bias.View, y.View);
        kernels.LinearForward(x.View, weight.View, default, plain.View);
        kernels.LinearInputGrad(dy.View, weight.View, dx.View, false);
        kernels.LinearWeightGrad(x.View, dy.View, dw.View, false);
        kernels.LinearBiasGrad(dy.View, db.View, false);

        double[] xd = x.ToDoubles(), wd = weight.ToDoubles(), dyd = dy.ToDoubles();
        var expected = LinearReference.Backward(xd, wd, dyd, rows, inputs, outputs);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(y.ErrorAgainst(LinearReference.Forward(xd, wd, bias.ToDoubles(), rows, inputs, outputs)), Is.LessThan(1e-6));
            Assert.That(plain.ErrorAgainst(LinearReference.Forward(xd, wd, null, rows, inputs, outputs)), Is.LessThan(1e-6));
            Assert.That(dx.ErrorAgainst(expected.Dx), Is.LessThan(1e-6));
            Assert.That(dw.ErrorAgainst(expected.Dw), Is.LessThan(1e-6));
            Assert.That(db.ErrorAgainst(expected.Db), Is.LessThan(1e-6));
        }

        float[] dxOnce = dx.ToArray(), dwOnce = dw.ToArray(), dbOnce = db.ToArray();
        kernels.LinearInputGrad(dy.View, weight.View, dx.View, true);
        kernels.LinearWeightGrad(x.View, dy.View, dw.View, true);
        kernels.LinearBiasGrad(dy.View, db.View, true);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(dx.ToArray(), Is.EqualTo(Array.ConvertAll(dxOnce, v => v + v)), "accumulated dx");
            Assert.That(dw.ToArray(), Is.EqualTo(Array.ConvertAll(dwOnce, v => v + v)), "accumulated dw");
            Assert.That(db.ToArray(), Is.EqualTo(Array.ConvertAll(dbOnce, v => v + v)), "accumulated db");
        }
    }

    [Test]
    public void Gradients_are_those_of_the_oracles_forward()
    {
        const int Rows = 3, Inputs = 5, Outputs = 4;
        var random = new Random(5);
        double[] Values(int count) => Enumerable.Range(0, count).Select(_ => 2 * random.NextDouble() - 1).ToArray();
        double[] x = Values(Rows * Inputs), weight = Values(Outputs * Inputs), bias = Values(Outputs), dy = Values(Rows * Outputs);
        var (dx, dw, db) = LinearReference.Backward(x, weight, dy, Rows, Inputs, Outputs);
        double Loss() => LinearReference.Forward(x, weight, bias, Rows, Inputs, Outputs).Zip(dy, (a, b) => a * b).Sum();
        foreach (var (values, gradient) in new[] { (x, dx), (weight, dw), (bias, db) })
            Assert.That(gradient, Is.EqualTo(FiniteDifference.Gradient(values, Loss)).Within(1e-7));
    }

    [Test]
    public void Rows_have_the_same_bits_whatever_the_threads_and_the_batch([Values(1, 2, 5, 16, 33, 100)] int part)
    {
        const int Rows = 150, Inputs = 301, Outputs = 275;
        using var x = GuardedTensors.Random(1, 1, Rows, Inputs);
        using var weight = GuardedTensors.Random(2, 1, Outputs, Inputs);
        using var bias = GuardedTensors.Random(3, 1, Outputs);
        using var dy = GuardedTensors.Random(4, 1, Rows, Outputs);
        float[]? y0 = null, dx0 = null, dw0 = null, db0 = null;
        foreach (int threads in new[] { 1, 2, 7 })
        {
            using IKernels kernels = new CpuKernels(threads);
            using var y = GuardedTensors.Empty(Rows, Outputs);
            using var dx = GuardedTensors.Empty(Rows, Inputs);
            using var dw = GuardedTensors.Empty(Outputs, Inputs);
            using var db = GuardedTensors.Empty(Outputs);
            for (int start = 0; start < Rows; start += part)
            {
                int count = Math.Min(part, Rows - start);
                kernels.LinearForward(x.View.Rows(start, count), weight.View, bias.View, y.View.Rows(start, count));
                kernels.LinearInputGrad(dy.View.Rows(start, count), weight.View, dx.View.Rows(start, count), false);
            }
            kernels.LinearWeightGrad(x.View, dy.View, dw.View, false);
            kernels.LinearBiasGrad(dy.View, db.View, false);
            if (y0 is null)
            {
                using var yWhole = GuardedTensors.Empty(Rows, Outputs);
                using var dxWhole = GuardedTensors.Empty(Rows, Inputs);
                kernels.LinearForward(x.View, weight.View, bias.View, yWhole.View);
                kernels.LinearInputGrad(dy.View, weight.View, dxWhole.View, false);
                y0 = yWhole.ToArray();
                dx0 = dxWhole.ToArray();
                dw0 = dw.ToArray();
                db0 = db.ToArray();
            }
            Assert.That(y.ToArray(), Is.EqualTo(y0), $"y, {threads} threads");
            Assert.That(dx.ToArray(), Is.EqualTo(dx0), $"dx, {threads} threads");
            Assert.That(dw.ToArray(), Is.EqualTo(dw0), $"dw, {threads} threads");
            Assert.That(db.ToArray(), Is.EqualTo(db0), $"db, {threads} threads");
        }
    }

    [Test]
    public void The_second_run_allocates_nothing()
    {
        using IKernels kernels = new CpuKernels(2);
        using var x = GuardedTensors.Random(1, 1, 40, 70);
        using var weight = GuardedTensors.Random(2, 1, 50, 70);
        using var dy = GuardedTensors.Random(4, 1, 40, 50);
        using var y = GuardedTensors.Empty(40, 50);
        using var dx = GuardedTensors.Empty(40, 70);
        using var dw = GuardedTensors.Empty(50, 70);
        using var db = GuardedTensors.Empty(50);
        void Run()
        {
            kernels.LinearForward(x.View, weight.View, default, y.View);
            kernels.LinearInputGrad(dy.View, weight.View, dx.View, false);
            kernels.LinearWeightGrad(x.View, dy.View, dw.View, false);
            kernels.LinearBiasGrad(dy.View, db.View, false);
        }
        Run();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Run();
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }
}
