using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.NormalizedAttention(TensorView positive, TensorView negative, float phi, float tau, float alpha, TensorView y)
    {
        var job = new NormalizedAttentionJob(positive.Pointer, negative.Pointer, phi, tau, alpha, y.Pointer, positive.Count / positive.Shape.Channels, positive.Shape.Channels);
        Pool.Run(ref job, RowItems(positive));
    }

    /// <summary>y is a p + b q with two numbers of the token.</summary>
    private readonly struct NormalizedAttentionJob(float* p, float* q, float phi, float tau, float alpha, float* y, long rows, int width) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            for (long row = (long)item * RowsPerItem(width); row < Math.Min(rows, (item + 1L) * RowsPerItem(width)); row++)
            {
                nint start = (nint)row * width;
                if (Avx512F.IsSupported) Token<Lanes512>(p + start, q + start, y + start);
                else if (Fma.IsSupported && Avx2.IsSupported) Token<Lanes256>(p + start, q + start, y + start);
                else Token<Lanes128>(p + start, q + start, y + start);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Token<V>(float* from, float* away, float* to)
            where V : unmanaged, ILanes<V>
        {
            V first = V.Broadcast(phi), second = V.Broadcast(1 - phi), squares = V.Zero, guidedSquares = V.Zero;
            nint i = 0;
            for (; i <= width - V.Count; i += V.Count)
            {
                V here = V.Load(from + i), guided = V.MultiplyAdd(second, V.Load(away + i), first * here);
                squares = V.MultiplyAdd(here, here, squares);
                guidedSquares = V.MultiplyAdd(guided, guided, guidedSquares);
            }
            double sum = V.Sum(squares), guidedSum = V.Sum(guidedSquares);
            for (; i < width; i++)
            {
                float guided = phi * from[i] + (1 - phi) * away[i];
                sum += (double)from[i] * from[i];
                guidedSum += (double)guided * guided;
            }
            double factor = tau * Math.Sqrt(sum / guidedSum), a = 1, b = 0;
            if (factor > 1) factor = 1;
            if (sum > 0 && guidedSum > 0) (a, b) = (alpha * factor * phi + 1 - alpha, alpha * factor * (1 - phi));
            V kept = V.Broadcast((float)a), moved = V.Broadcast((float)b);
            for (i = 0; i <= width - V.Count; i += V.Count) V.Store(to + i, V.MultiplyAdd(moved, V.Load(away + i), kept * V.Load(from + i)));
            for (; i < width; i++) to[i] = (float)a * from[i] + (float)b * away[i];
        }
    }
}
