using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Optimizer;

[TestFixture]
public sealed class AdamTests
{
    [Test]
    public void Rows_that_stay_keep_their_values_while_their_moments_move()
    {
        const int Rows = 3, Length = 21;
        using var kernels = new CpuKernels(2);
        var b = new PlanBuilder(kernels);
        var shape = new Shape(Rows, Length);
        Tensor gradient = b.Input("gradient", shape), values = b.Input("values", shape), first = b.Input("first", shape), second = b.Input("second", shape);
        var moves = b.Input("moves", new Shape(Rows));
        var step = new Slot<AdamWStep>();
        b.Adam(step, gradient, values, first, second, moves);
        using var plan = b.Build();

        var random = new Random(3);
        double[] x = [.. Enumerable.Range(0, Rows * Length).Select(_ => (double)(float)random.NextDouble())], m = new double[x.Length], v = new double[x.Length];
        kernels.Upload([.. x.Select(value => (float)value)], values.View);
        kernels.Upload(new float[x.Length], first.View);
        kernels.Upload(new float[x.Length], second.View);
        int[][] movers = [[1, 1, 1], [1, 0, 1], [0, 0, 1]];
        for (int t = 1; t <= movers.Length; t++)
        {
            float[] g = [.. x.Select(_ => (float)(random.NextDouble() - 0.5))], before = values.View.Span.ToArray();
            kernels.Upload(g, gradient.View);
            kernels.Upload(movers[t - 1], moves.View);
            step.Value = new AdamWStep { LearningRate = 0.05, Step = t };
            plan.Run();
            for (int i = 0; i < x.Length; i++)
            {
                m[i] = 0.9 * m[i] + 0.1 * g[i];
                v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
                if (movers[t - 1][i / Length] != 0) x[i] -= 0.05 * m[i] / (1 - Math.Pow(0.9, t)) / (Math.Sqrt(v[i] / (1 - Math.Pow(0.999, t))) + 1e-8);
                else Assert.That(values.View.Span[i], Is.EqualTo(before[i]), "bit by bit");
                Assert.That(values.View.Span[i], Is.EqualTo(x[i]).Within(1e-5), $"value {i}, step {t}");
                Assert.That(first.View.Span[i], Is.EqualTo(m[i]).Within(1e-6), $"first moment {i}, step {t}");
                Assert.That(second.View.Span[i], Is.EqualTo(v[i]).Within(1e-6), $"second moment {i}, step {t}");
            }
        }
    }

    [Test]
    public void Other_shapes_are_refused()
    {
        using var kernels = new CpuKernels(1);
        var b = new PlanBuilder(kernels);
        Tensor x = b.Input("x", new Shape(2, 3)), y = b.Input("y", new Shape(3, 2)), moves = b.Input("moves", new Shape(3));
        Assert.That(() => b.Adam(new(), x, y, x, x), Throws.ArgumentException.With.Message.Contains("y["));
        Assert.That(() => b.Adam(new(), x, x, x, x, moves), Throws.ArgumentException.With.Message.Contains("moves["));
    }
}
