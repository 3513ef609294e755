using NativeDiffusion.Kernels;

namespace NativeDiffusion.Model.Metrics;

/// <summary>
/// A covariance as T T^T with as many columns as its rank: Cholesky's factor with the largest remaining variance taken first (Higham 1990),
/// which ends where nothing but rounding is left. So constant features, and fewer samples than features, are no special case.
/// </summary>
internal static unsafe class PivotedCholesky
{
    private const int Panel = 64;

    /// <summary>The factor.</summary>
    /// <param name="matrix">[n, n], symmetric and without negative eigenvalues but for rounding.</param>
    /// <param name="n">Rows.</param>
    /// <param name="threads">Threads, at least 1.</param>
    /// <returns>T [n, rank], and the rank.</returns>
    public static (double[] Factor, int Rank) Of(double[] matrix, int n, int threads)
    {
        double[] rest = [.. matrix], rows = new double[n * n], variances = new double[n];
        for (int i = 0; i < n; i++) variances[i] = matrix[i * n + i];
        double least = n * Math.ScaleB(1, -52) * variances.Max();
        bool[] done = new bool[n];
        int rank = 0;
        fixed (double* a = rest, u = rows)
            for (int panel = 0; rank < n; rank++)
            {
                if (rank == panel + Panel)
                {
                    double* finished = u + (nint)panel * n;
                    DoubleProduct.AddTransposed(finished, n, finished, n, Panel, a, n, n, n, -1, lower: true, threads);
                    panel = rank;
                }
                int pivot = Largest(variances, done);
                double* row = u + (nint)rank * n;
                for (int i = 0; i < n; i++) row[i] = i <= pivot ? a[(nint)pivot * n + i] : a[(nint)i * n + pivot];
                for (int s = panel; s < rank; s++) DoubleProduct.AddScaled(-u[(nint)s * n + pivot], u + (nint)s * n, row, n);
                if (!(row[pivot] > least)) break;
                double root = Math.Sqrt(row[pivot]);
                done[pivot] = true;
                for (int i = 0; i < n; i++)
                {
                    row[i] = i == pivot ? root : done[i] ? 0 : row[i] / root;
                    variances[i] -= row[i] * row[i];
                }
            }
        double[] factor = new double[n * rank];
        for (int i = 0; i < n; i++)
            for (int s = 0; s < rank; s++)
                factor[i * rank + s] = rows[s * n + i];
        return (factor, rank);
    }

    private static int Largest(double[] variances, bool[] done)
    {
        int best = -1;
        for (int i = 0; i < done.Length; i++)
            if (!done[i] && (best < 0 || variances[i] > variances[best]))
                best = i;
        return best;
    }
}
