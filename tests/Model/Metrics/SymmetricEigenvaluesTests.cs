using NativeDiffusion.Model.Metrics;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Metrics;

[TestFixture]
public sealed class SymmetricEigenvaluesTests
{
    [Test]
    public void Chosen_eigenvalues_come_back([Values(1, 2, 3, 31, 32, 33, 70, 300)] int n)
    {
        var random = new Random(n);
        // Wide apart, twice the same, zero, negative.
        double[] values = [.. Enumerable.Range(0, n).Select(i => i % 7 == 3 ? 0 : i % 5 == 4 ? 2.5 : Math.Pow(10, 6 * random.NextDouble() - 4) * (i % 11 == 5 ? -1 : 1))];
        double[] found = SymmetricEigenvalues.Of(Turned(values, random, 3), n, 2);
        Assert.That(found.Order(), Is.EqualTo(values.Order()).Within(1e-12 * values.Max(Math.Abs)));
    }

    [Test]
    public void Diagonal_and_zero_matrices_need_no_reflection()
    {
        double[] diagonal = new double[25];
        for (int i = 0; i < 5; i++) diagonal[6 * i] = i - 2;
        Assert.That(SymmetricEigenvalues.Of(diagonal, 5, 1).Order(), Is.EqualTo((double[])[-2, -1, 0, 1, 2]));
        Assert.That(SymmetricEigenvalues.Of(new double[40 * 40], 40, 1), Is.All.EqualTo(0));
        Assert.That(SymmetricEigenvalues.Of([], 0, 1), Is.Empty);
    }

    [Test]
    public void Threads_change_no_bit()
    {
        double[] matrix = Turned([.. Enumerable.Range(0, 400).Select(i => 1.0 / (i + 1))], new Random(1), 2);
        double[] Of(int threads) => SymmetricEigenvalues.Of([.. matrix], 400, threads);
        Assert.That(Of(3), Is.EqualTo(Of(1)));
    }

    [TestCase(10, 10)]
    [TestCase(100, 100)]
    [TestCase(150, 67)]
    [TestCase(9, 1)]
    public void A_factor_has_the_rank_and_gives_the_matrix(int n, int rank)
    {
        double[] values = [.. Enumerable.Range(0, n).Select(i => i < rank ? 3.0 / (i + 1) : 0)];
        double[] matrix = Turned(values, new Random(2), 2);
        var (factor, found) = PivotedCholesky.Of(matrix, n, 2);
        Assert.That(found, Is.EqualTo(rank));
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++)
                Assert.That(Enumerable.Range(0, rank).Sum(s => factor[i * rank + s] * factor[j * rank + s]), Is.EqualTo(matrix[i * n + j]).Within(1e-12));
    }

    [Test]
    public void A_factor_of_nothing_has_no_columns() => Assert.That(PivotedCholesky.Of(new double[9], 3, 1).Rank, Is.Zero);

    /// <summary>Q diag(values) Q^T, Q a product of reflections.</summary>
    private static double[] Turned(double[] values, Random random, int reflections)
    {
        int n = values.Length;
        double[] a = new double[n * n];
        for (int i = 0; i < n; i++) a[i * n + i] = values[i];
        for (int t = 0; t < reflections; t++)
        {
            double[] v = [.. Enumerable.Range(0, n).Select(_ => RandomFeatures.Normal(random))];
            double scale = 2 / v.Sum(x => x * x);
            double[] w = [.. Enumerable.Range(0, n).Select(i => scale * Enumerable.Range(0, n).Sum(j => a[i * n + j] * v[j]))];
            double half = scale / 2 * w.Zip(v, (x, y) => x * y).Sum();
            for (int i = 0; i < n; i++) w[i] -= half * v[i];
            for (int i = 0; i < n; i++)
                for (int j = 0; j < n; j++)
                    a[i * n + j] -= v[i] * w[j] + w[i] * v[j];
        }
        return a;
    }
}
