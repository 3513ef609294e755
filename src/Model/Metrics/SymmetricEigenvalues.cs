using NativeDiffusion.Kernels;

namespace NativeDiffusion.Model.Metrics;

/// <summary>
/// Eigenvalues of a symmetric matrix, without eigenvectors: Householder reflections to tridiagonal form, in panels whose updates of the
/// rest are one product (Dongarra, Sorensen and Hammarling 1989), then implicit QL steps (Martin and Wilkinson 1968). Errors are about
/// 1e-15 of the largest.
/// </summary>
internal static unsafe class SymmetricEigenvalues
{
    private const int Panel = 32, Parts = 8, LargestSerial = 256, MostSteps = 60;
    private const double Rounding = 1.0 / (1L << 52);

    /// <summary>The eigenvalues, in no order.</summary>
    /// <param name="matrix">[n, n] or longer, of which the triangle below the diagonal is read; overwritten.</param>
    /// <param name="n">Rows.</param>
    /// <param name="threads">Threads, at least 1.</param>
    public static double[] Of(double[] matrix, int n, int threads)
    {
        double[] diagonal = new double[n], beside = new double[n];
        if (n == 0) return diagonal;
        double[] reflections = new double[Panel * n], products = new double[Panel * n], sums = new double[Parts * n];
        fixed (double* a = matrix, v = reflections, w = products, s = sums)
            for (int k = 0; k < n; k += Panel)
            {
                int width = Math.Min(Panel, n - k), rest = n - k - width;
                for (int j = 0; j < width; j++) Reflect(a, n, k, j, v, w, s, diagonal, beside, threads);
                if (rest == 0) break;
                nint at = k + width;
                DoubleProduct.AddTransposed(v + at, n, w + at, n, width, a + at * n + at, n, rest, rest, -1, lower: true, threads);
                DoubleProduct.AddTransposed(w + at, n, v + at, n, width, a + at * n + at, n, rest, rest, -1, lower: true, threads);
            }
        Diagonalise(diagonal, beside);
        return diagonal;
    }

    /// <summary>
    /// Column k + j: brings it up to date with the panel so far, finds the reflection (1 - tau v v^T) that clears it below the second
    /// place, and the w by which the rest becomes A - v w^T - w v^T.
    /// </summary>
    private static void Reflect(double* a, int n, int k, int j, double* reflections, double* products, double* sums, double[] diagonal, double[] beside, int threads)
    {
        int i = k + j, length = n - i - 1;
        // The column, where the sums of the product will be.
        double* column = sums;
        for (nint r = 0; r <= length; r++) column[r] = a[(i + r) * n + i];
        for (int l = 0; l < j; l++)
        {
            double* vl = reflections + (nint)l * n + i, wl = products + (nint)l * n + i;
            DoubleProduct.AddScaled(-wl[0], vl, column, length + 1);
            DoubleProduct.AddScaled(-vl[0], wl, column, length + 1);
        }
        diagonal[i] = column[0];
        if (length == 0) return;

        double* x = column + 1, v = reflections + (nint)j * n + i + 1, w = products + (nint)j * n + i + 1;
        double first = x[0], others = DoubleProduct.Dot(x + 1, x + 1, length - 1);
        if (others == 0)
        {
            beside[i] = first;
            new Span<double>(v, length).Clear();
            new Span<double>(w, length).Clear();
            return;
        }
        double reflected = -Math.CopySign(Math.Sqrt(first * first + others), first), tau = (reflected - first) / reflected;
        beside[i] = reflected;
        v[0] = 1;
        for (int r = 1; r < length; r++) v[r] = x[r] / (first - reflected);

        Multiply(a + (nint)(i + 1) * n + i + 1, n, length, v, w, sums, threads);
        for (int l = 0; l < j; l++)
        {
            double* vl = reflections + (nint)l * n + i + 1, wl = products + (nint)l * n + i + 1;
            double vv = DoubleProduct.Dot(vl, v, length), wv = DoubleProduct.Dot(wl, v, length);
            DoubleProduct.AddScaled(-wv, vl, w, length);
            DoubleProduct.AddScaled(-vv, wl, w, length);
        }
        for (int r = 0; r < length; r++) w[r] *= tau;
        DoubleProduct.AddScaled(-tau / 2 * DoubleProduct.Dot(w, v, length), v, w, length);
    }

    /// <summary>
    /// w = A v from the triangle below the diagonal, which is read once. Rows are shared out among parts of equal area, whatever the number of threads; each has sums of its own.
    /// </summary>
    private static void Multiply(double* a, nint stride, int n, double* v, double* w, double* sums, int threads)
    {
        int parts = n <= LargestSerial ? 1 : Parts;
        if (parts == 1 || threads == 1)
            for (int part = 0; part < parts; part++) Rows(part);
        else Parallel.For(0, parts, new ParallelOptions { MaxDegreeOfParallelism = threads }, Rows);
        new Span<double>(w, n).Clear();
        for (int part = 0; part < parts; part++) DoubleProduct.AddScaled(1, sums + (nint)part * n, w, End(part));

        int End(int part) => part == parts - 1 ? n : (int)(n * Math.Sqrt((part + 1.0) / parts));

        void Rows(int part)
        {
            double* y = sums + (nint)part * n;
            int start = part == 0 ? 0 : End(part - 1), end = End(part);
            new Span<double>(y, end).Clear();
            for (int r = start; r < end; r++)
            {
                double* row = a + r * stride;
                y[r] += row[r] * v[r] + DoubleProduct.DotAndAddScaled(row, v, v[r], y, r);
            }
        }
    }

    /// <summary>Replaces the diagonal of a tridiagonal matrix by its eigenvalues.</summary>
    private static void Diagonalise(double[] d, double[] e)
    {
        int n = d.Length;
        for (int l = 0; l < n; l++)
            for (int step = 0; ; step++)
            {
                int m = l;
                while (m < n - 1 && !Negligible(d, e, m)) m++;
                if (m == l) break;
                if (step == MostSteps) throw new ArithmeticException($"Eigenvalue {l} of {n} was not found in {MostSteps} steps.");
                Step(d, e, l, m);
            }
    }

    private static bool Negligible(double[] d, double[] e, int i) => Math.Abs(e[i]) <= Rounding * (Math.Abs(d[i]) + Math.Abs(d[i + 1]));

    /// <summary>One QL step with Wilkinson's shift on the block from l to m.</summary>
    private static void Step(double[] d, double[] e, int l, int m)
    {
        double g = (d[l + 1] - d[l]) / (2 * e[l]);
        g = d[m] - d[l] + e[l] / (g + Math.CopySign(Math.Sqrt(g * g + 1), g));
        double sine = 1, cosine = 1, shift = 0;
        for (int i = m - 1; i >= l; i--)
        {
            double f = sine * e[i], b = cosine * e[i], r = Math.Sqrt(f * f + g * g);
            e[i + 1] = r;
            if (r == 0)
            {
                d[i + 1] -= shift;
                e[m] = 0;
                return;
            }
            (sine, cosine) = (f / r, g / r);
            g = d[i + 1] - shift;
            r = (d[i] - g) * sine + 2 * cosine * b;
            shift = sine * r;
            d[i + 1] = g + shift;
            g = cosine * r - b;
        }
        d[l] -= shift;
        e[l] = g;
        e[m] = 0;
    }
}
