using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.LayerNormForward(TensorView x, TensorView gamma, TensorView beta, double epsilon, TensorView y)
    {
        var rows = new LayerNormRows(x.Shape, gamma.Shape.Rank == 2);
        var job = new LayerNormJob(x.Pointer, gamma.Pointer, beta.Pointer, epsilon, y.Pointer, rows);
        Pool.Run(ref job, rows.Items);
    }

    /// <inheritdoc/>
    long IKernels.LayerNormBackwardWorkspace(Shape x, bool modulated) => new LayerNormRows(x, modulated).Items * 2L * x.Channels;

    /// <inheritdoc/>
    void IKernels.LayerNormBackward(
        TensorView x, TensorView gamma, double epsilon, TensorView dy, TensorView dx, bool accumulateDx, TensorView dgamma,
        bool accumulateDgamma, TensorView dbeta, bool accumulateDbeta, TensorView workspace)
    {
        bool parameters = !dgamma.IsEmpty || !dbeta.IsEmpty;
        var rows = new LayerNormRows(x.Shape, gamma.Shape.Rank == 2);
        var job = new LayerNormGradientJob(
            x.Pointer, gamma.Pointer, epsilon, dy.Pointer, dx.Pointer, accumulateDx, parameters ? workspace.Pointer : null, rows);
        Pool.Run(ref job, rows.Items);
        if (!parameters) return;
        var sum = new LayerNormParametersJob(workspace.Pointer, rows, dgamma.Pointer, accumulateDgamma, dbeta.Pointer, accumulateDbeta);
        Pool.Run(ref sum, rows.Groups * sum.Slabs);
    }

    /// <summary>
    /// Mean and rstd of a row that stays in the first-level cache: a mean in float, then both moments of the distances from it, which also
    /// corrects that mean.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static (float Mean, float Rstd) RowMoments<V>(float* x, nint width, double epsilon)
        where V : unmanaged, ILanes<V>
    {
        nint full = width - width % (2 * V.Count);
        V s0 = V.Zero, s1 = V.Zero;
        for (nint i = 0; i < full; i += 2 * V.Count)
        {
            s0 += V.Load(x + i);
            s1 += V.Load(x + i + V.Count);
        }
        double sum = V.Sum(s0 + s1);
        for (nint i = full; i < width; i++) sum += x[i];
        float origin = (float)(sum / width);
        V origins = V.Broadcast(origin), q0 = V.Zero, q1 = V.Zero;
        (s0, s1) = (V.Zero, V.Zero);
        for (nint i = 0; i < full; i += 2 * V.Count)
        {
            V d0 = V.Load(x + i) - origins, d1 = V.Load(x + i + V.Count) - origins;
            (s0, s1) = (s0 + d0, s1 + d1);
            (q0, q1) = (V.MultiplyAdd(d0, d0, q0), V.MultiplyAdd(d1, d1, q1));
        }
        double shift = V.Sum(s0 + s1), squares = V.Sum(q0 + q1);
        for (nint i = full; i < width; i++)
        {
            double d = x[i] - origin;
            shift += d;
            squares += d * d;
        }
        shift /= width;
        return ((float)(origin + shift), (float)(1 / Math.Sqrt(Math.Max(0, squares / width - shift * shift) + epsilon)));
    }

    /// <summary>The rows of a normalisation in items of work: none has rows of two groups, which are all rows or, if modulated, those of a batch row.</summary>
    private readonly struct LayerNormRows(Shape x, bool modulated)
    {
        public readonly int Width = x.Channels, Groups = modulated ? x.Batch : 1;
        private readonly long _rowsPerGroup = x.Count / x.Channels / (modulated ? x.Batch : 1);

        /// <summary>What is added to gamma.</summary>
        public readonly float Unit = modulated ? 1 : 0;

        public int ItemsPerGroup => checked((int)((_rowsPerGroup + RowsPerItem(Width) - 1) / RowsPerItem(Width)));

        public int Items => checked(Groups * ItemsPerGroup);

        /// <summary>Where a group has its gamma or beta; null stays null.</summary>
        public float* OfItem(float* vectors, int item) => vectors == null ? null : vectors + (nint)(item / ItemsPerGroup) * Width;

        public long First(int item) => item / ItemsPerGroup * _rowsPerGroup + (long)(item % ItemsPerGroup) * RowsPerItem(Width);

        public long End(int item) => Math.Min(First(item) + RowsPerItem(Width), (item / ItemsPerGroup + 1L) * _rowsPerGroup);
    }

    private readonly struct LayerNormJob(float* x, float* gammas, float* betas, double epsilon, float* y, LayerNormRows rows) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            float* gamma = rows.OfItem(gammas, item), beta = rows.OfItem(betas, item);
            long end = rows.End(item);
            for (long row = rows.First(item); row < end; row++)
            {
                float* from = x + (nint)row * rows.Width, to = y + (nint)row * rows.Width;
                if (Avx512F.IsSupported) Run<Lanes512>(from, gamma, beta, to);
                else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(from, gamma, beta, to);
                else Run<Lanes128>(from, gamma, beta, to);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(float* from, float* gamma, float* beta, float* to)
            where V : unmanaged, ILanes<V>
        {
            nint width = rows.Width, full = width - width % V.Count;
            var (mean, rstd) = RowMoments<V>(from, width, epsilon);
            V means = V.Broadcast(mean), rstds = V.Broadcast(rstd), unit = V.Broadcast(rows.Unit);
            for (nint c = 0; c < full; c += V.Count)
            {
                V factor = gamma == null ? rstds : rstds * (unit + V.Load(gamma + c));
                V.Store(to + c, V.MultiplyAdd(V.Load(from + c) - means, factor, beta == null ? V.Zero : V.Load(beta + c)));
            }
            for (nint c = full; c < width; c++)
                to[c] = (from[c] - mean) * (gamma == null ? rstd : rstd * (rows.Unit + gamma[c])) + (beta == null ? 0 : beta[c]);
        }
    }

    /// <summary>The rows of one item; their share of dgamma and dbeta goes to the item's own 2C floats of the sums.</summary>
    private readonly struct LayerNormGradientJob(
        float* x, float* gammas, double epsilon, float* dy, float* dx, bool accumulate, float* sums, LayerNormRows rows) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            int width = rows.Width;
            float* gamma = rows.OfItem(gammas, item), dgamma = sums == null ? null : sums + (nint)item * 2 * width;
            if (dgamma != null) new Span<float>(dgamma, 2 * width).Clear();
            long end = rows.End(item);
            for (long row = rows.First(item); row < end; row++)
            {
                if (Avx512F.IsSupported) Run<Lanes512>((nint)row * width, gamma, dgamma);
                else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>((nint)row * width, gamma, dgamma);
                else Run<Lanes128>((nint)row * width, gamma, dgamma);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(nint start, float* gamma, float* dgamma)
            where V : unmanaged, ILanes<V>
        {
            nint width = rows.Width, full = width - width % V.Count;
            float* from = x + start, gradient = dy + start, to = dx + start, dbeta = dgamma + width;
            var (mean, rstd) = RowMoments<V>(from, width, epsilon);
            V means = V.Broadcast(mean), rstds = V.Broadcast(rstd), unit = V.Broadcast(rows.Unit), plains = V.Zero, weighteds = V.Zero;
            for (nint c = 0; c < full; c += V.Count)
            {
                V d = V.Load(gradient + c), xhat = (V.Load(from + c) - means) * rstds;
                V g = gamma == null ? d : d * (unit + V.Load(gamma + c));
                plains += g;
                weighteds = V.MultiplyAdd(g, xhat, weighteds);
                if (dgamma == null) continue;
                V.Store(dgamma + c, V.MultiplyAdd(d, xhat, V.Load(dgamma + c)));
                V.Store(dbeta + c, V.Load(dbeta + c) + d);
            }
            double plain = V.Sum(plains), weighted = V.Sum(weighteds);
            for (nint c = full; c < width; c++)
            {
                float d = gradient[c], xhat = (from[c] - mean) * rstd, g = gamma == null ? d : d * (rows.Unit + gamma[c]);
                plain += g;
                weighted += g * xhat;
                if (dgamma == null) continue;
                dgamma[c] += d * xhat;
                dbeta[c] += d;
            }
            if (dx == null) return;
            float constant = (float)(rstd * plain / width), linear = (float)((double)rstd * rstd * weighted / width);
            V constants = V.Broadcast(constant), linears = V.Broadcast(linear);
            for (nint c = 0; c < full; c += V.Count)
            {
                V factor = gamma == null ? rstds : rstds * (unit + V.Load(gamma + c));
                V value = V.Load(gradient + c) * factor - V.MultiplyAdd(V.Load(from + c) - means, linears, constants);
                V.Store(to + c, accumulate ? V.Load(to + c) + value : value);
            }
            for (nint c = full; c < width; c++)
            {
                float value = gradient[c] * (gamma == null ? rstd : rstd * (rows.Unit + gamma[c])) - ((from[c] - mean) * linear + constant);
                to[c] = accumulate ? to[c] + value : value;
            }
        }
    }

    /// <summary>Adds up what the items of a group have, for a few channels.</summary>
    private readonly struct LayerNormParametersJob(
        float* sums, LayerNormRows rows, float* dgamma, bool accumulateDgamma, float* dbeta, bool accumulateDbeta) : IWorkerJob
    {
        private const int ChannelsPerItem = 32;

        public int Slabs => (rows.Width + ChannelsPerItem - 1) / ChannelsPerItem;

        public void Execute(int item, int worker)
        {
            nint width = rows.Width, group = item / Slabs;
            int first = item % Slabs * ChannelsPerItem;
            float* ofGroup = sums + group * rows.ItemsPerGroup * 2 * width;
            for (nint c = first; c < Math.Min(width, first + ChannelsPerItem); c++)
            {
                double gamma = 0, beta = 0;
                for (nint i = 0; i < rows.ItemsPerGroup; i++)
                {
                    gamma += ofGroup[i * 2 * width + c];
                    beta += ofGroup[(i * 2 + 1) * width + c];
                }
                nint at = group * width + c;
                if (dgamma != null) dgamma[at] = (float)(accumulateDgamma ? dgamma[at] + gamma : gamma);
                if (dbeta != null) dbeta[at] = (float)(accumulateDbeta ? dbeta[at] + beta : beta);
            }
        }
    }
}
