using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    public void LayerNormForward(TensorView x, TensorView gamma, TensorView beta, double epsilon, TensorView y)
    {
        int channels = x.Shape.Channels;
        var job = new LayerNormJob(x.Pointer, gamma.Pointer, beta.Pointer, epsilon, y.Pointer, x.Count / channels, channels);
        Pool.Run(ref job, RowItems(x));
    }

    /// <inheritdoc/>
    public long LayerNormBackwardWorkspace(Shape x)
    {
        long rows = x.Count / x.Channels;
        return (rows + RowsPerItem(x.Channels) - 1) / RowsPerItem(x.Channels) * 2 * x.Channels;
    }

    /// <inheritdoc/>
    public void LayerNormBackward(
        TensorView x, TensorView gamma, double epsilon, TensorView dy, TensorView dx, bool accumulateDx, TensorView dgamma,
        bool accumulateDgamma, TensorView dbeta, bool accumulateDbeta, TensorView workspace)
    {
        int channels = x.Shape.Channels;
        bool parameters = !dgamma.IsEmpty || !dbeta.IsEmpty;
        var job = new LayerNormGradientJob(
            x.Pointer, gamma.Pointer, epsilon, dy.Pointer, dx.Pointer, accumulateDx, parameters ? workspace.Pointer : null,
            x.Count / channels, channels);
        Pool.Run(ref job, RowItems(x));
        if (!parameters) return;
        var sum = new LayerNormParametersJob(
            workspace.Pointer, RowItems(x), channels, dgamma.Pointer, accumulateDgamma, dbeta.Pointer, accumulateDbeta);
        Pool.Run(ref sum, (channels + LayerNormParametersJob.ChannelsPerItem - 1) / LayerNormParametersJob.ChannelsPerItem);
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

    private readonly struct LayerNormJob(float* x, float* gamma, float* beta, double epsilon, float* y, long rows, int width)
        : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            for (long row = (long)item * RowsPerItem(width); row < Math.Min(rows, (item + 1L) * RowsPerItem(width)); row++)
            {
                float* from = x + (nint)row * width, to = y + (nint)row * width;
                if (Avx512F.IsSupported) Run<Lanes512>(from, to);
                else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(from, to);
                else Run<Lanes128>(from, to);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(float* from, float* to)
            where V : unmanaged, ILanes<V>
        {
            var (mean, rstd) = RowMoments<V>(from, width, epsilon);
            nint full = width - width % V.Count;
            V means = V.Broadcast(mean), rstds = V.Broadcast(rstd);
            for (nint c = 0; c < full; c += V.Count)
            {
                V factor = gamma == null ? rstds : rstds * V.Load(gamma + c);
                V.Store(to + c, V.MultiplyAdd(V.Load(from + c) - means, factor, beta == null ? V.Zero : V.Load(beta + c)));
            }
            for (nint c = full; c < width; c++)
                to[c] = (from[c] - mean) * (gamma == null ? rstd : rstd * gamma[c]) + (beta == null ? 0 : beta[c]);
        }
    }

    /// <summary>The rows of one item; their share of dgamma and dbeta goes to the item's own 2C floats of the sums.</summary>
    private readonly struct LayerNormGradientJob(
        float* x, float* gamma, double epsilon, float* dy, float* dx, bool accumulate, float* sums, long rows, int width) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            float* dgamma = sums == null ? null : sums + (nint)item * 2 * width;
            if (dgamma != null) new Span<float>(dgamma, 2 * width).Clear();
            for (long row = (long)item * RowsPerItem(width); row < Math.Min(rows, (item + 1L) * RowsPerItem(width)); row++)
            {
                if (Avx512F.IsSupported) Run<Lanes512>((nint)row * width, dgamma);
                else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>((nint)row * width, dgamma);
                else Run<Lanes128>((nint)row * width, dgamma);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(nint start, float* dgamma)
            where V : unmanaged, ILanes<V>
        {
            float* from = x + start, gradient = dy + start, to = dx + start, dbeta = dgamma + width;
            var (mean, rstd) = RowMoments<V>(from, width, epsilon);
            nint full = width - width % V.Count;
            V means = V.Broadcast(mean), rstds = V.Broadcast(rstd), plains = V.Zero, weighteds = V.Zero;
            for (nint c = 0; c < full; c += V.Count)
            {
                V d = V.Load(gradient + c), xhat = (V.Load(from + c) - means) * rstds;
                V g = gamma == null ? d : d * V.Load(gamma + c);
                plains += g;
                weighteds = V.MultiplyAdd(g, xhat, weighteds);
                if (dgamma == null) continue;
                V.Store(dgamma + c, V.MultiplyAdd(d, xhat, V.Load(dgamma + c)));
                V.Store(dbeta + c, V.Load(dbeta + c) + d);
            }
            double plain = V.Sum(plains), weighted = V.Sum(weighteds);
            for (nint c = full; c < width; c++)
            {
                float d = gradient[c], xhat = (from[c] - mean) * rstd, g = gamma == null ? d : d * gamma[c];
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
                V factor = gamma == null ? rstds : rstds * V.Load(gamma + c);
                V value = V.Load(gradient + c) * factor - V.MultiplyAdd(V.Load(from + c) - means, linears, constants);
                V.Store(to + c, accumulate ? V.Load(to + c) + value : value);
            }
            for (nint c = full; c < width; c++)
            {
                float value = gradient[c] * (gamma == null ? rstd : rstd * gamma[c]) - ((from[c] - mean) * linear + constant);
                to[c] = accumulate ? to[c] + value : value;
            }
        }
    }

    private readonly struct LayerNormParametersJob(
        float* sums, int items, int width, float* dgamma, bool accumulateDgamma, float* dbeta, bool accumulateDbeta) : IWorkerJob
    {
        public const int ChannelsPerItem = 32;

        public void Execute(int item, int worker)
        {
            for (int c = item * ChannelsPerItem; c < Math.Min(width, (item + 1) * ChannelsPerItem); c++)
            {
                double gamma = 0, beta = 0;
                for (int i = 0; i < items; i++)
                {
                    gamma += sums[(nint)i * 2 * width + c];
                    beta += sums[((nint)i * 2 + 1) * width + c];
                }
                if (dgamma != null) dgamma[c] = (float)(accumulateDgamma ? dgamma[c] + gamma : gamma);
                if (dbeta != null) dbeta[c] = (float)(accumulateDbeta ? dbeta[c] + beta : beta);
            }
        }
    }
}
