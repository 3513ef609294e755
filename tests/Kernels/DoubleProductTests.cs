using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Kernels;

[TestFixture]
public sealed unsafe class DoubleProductTests
{
    [TestCase(1, 1, 1)]
    [TestCase(7, 9, 17)]
    [TestCase(300, 19, 33)]
    [TestCase(300, 260, 270)]
    public void It_is_the_sum_of_products(int steps, int rows, int columns)
    {
        var random = new Random(steps);
        double[] a = Values(steps * (rows + 2)), b = Values(steps * (columns + 1)), c = Values(rows * (columns + 3));
        foreach (double sign in (double[])[1, -1])
        {
            double[] got = [.. c], again = [.. c];
            fixed (double* x = a, y = b, z = got, t = again)
            {
                DoubleProduct.AddTransposed(x, rows + 2, y, columns + 1, steps, z, columns + 3, rows, columns, sign, lower: false, 1);
                DoubleProduct.AddTransposed(x, rows + 2, y, columns + 1, steps, t, columns + 3, rows, columns, sign, lower: false, 3);
            }
            Assert.That(again, Is.EqualTo(got), "threads");
            for (int i = 0; i < rows; i++)
                for (int j = 0; j < columns + 3; j++)
                {
                    double expected = c[i * (columns + 3) + j];
                    if (j < columns)
                        for (int s = 0; s < steps; s++)
                            expected += sign * a[s * (rows + 2) + i] * b[s * (columns + 1) + j];
                    if (Math.Abs(got[i * (columns + 3) + j] - expected) > (j < columns ? 1e-12 * steps : 0)) Assert.Fail($"element {i}, {j}");
                }
        }

        double[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => 2 * random.NextDouble() - 1)];
    }

    [Test]
    public void Dots_distances_and_scaled_sums_have_every_element([Values(0, 1, 7, 8, 15, 33, 100)] int length)
    {
        double[] a = [.. Enumerable.Range(0, length).Select(i => i + 0.5)], b = [.. Enumerable.Range(0, length).Select(i => 3.0 - i)], y = [.. b];
        float[] f = [.. a.Select(v => (float)v)], g = [.. b.Select(v => (float)v)];
        fixed (double* p = a, q = b, r = y)
        fixed (float* s = f, t = g)
        {
            Assert.That(DoubleProduct.Dot(p, q, length), Is.EqualTo(a.Zip(b, (u, v) => u * v).Sum()));
            Assert.That(DoubleProduct.SquaredDistance(s, t, length), Is.EqualTo(a.Zip(b, (u, v) => (u - v) * (u - v)).Sum()));
            double[] z = [.. b];
            fixed (double* t2 = z) Assert.That(DoubleProduct.DotAndAddScaled(p, q, -2, t2, length), Is.EqualTo(a.Zip(b, (u, v) => u * v).Sum()));
            Assert.That(z, Is.EqualTo(a.Zip(b, (u, v) => v - 2 * u)));
            DoubleProduct.AddScaled(-2, p, r, length);
        }
        Assert.That(y, Is.EqualTo(a.Zip(b, (u, v) => v - 2 * u)));
    }
}
