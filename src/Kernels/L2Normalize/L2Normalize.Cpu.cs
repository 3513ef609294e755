using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.L2NormalizeForward(TensorView x, TensorView y)
    {
        var job = new L2NormalizeJob(x.Pointer, null, y.Pointer, false, x.Count / x.Shape.Channels, x.Shape.Channels);
        Pool.Run(ref job, RowItems(x));
    }

    /// <inheritdoc/>
    void IKernels.L2NormalizeBackward(TensorView x, TensorView dy, TensorView dx, bool accumulate)
    {
        var job = new L2NormalizeJob(x.Pointer, dy.Pointer, dx.Pointer, accumulate, x.Count / x.Shape.Channels, x.Shape.Channels);
        Pool.Run(ref job, RowItems(x));
    }

    /// <summary>Forward if there is no dy: both are a r + x s with numbers a and s of the row.</summary>
    private readonly struct L2NormalizeJob(float* x, float* dy, float* to, bool accumulate, long rows, int width) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            for (long row = (long)item * RowsPerItem(width); row < Math.Min(rows, (item + 1L) * RowsPerItem(width)); row++)
            {
                nint start = (nint)row * width;
                double squares = Dot(x + start, x + start), inverse = 1 / Math.Sqrt(squares);
                if (dy == null) Combine(x + start, (float)inverse, x + start, 0, to + start);
                else Combine(dy + start, (float)inverse, x + start, (float)(-Dot(x + start, dy + start) / squares * inverse), to + start);
            }
        }

        private double Dot(float* a, float* b)
        {
            if (Avx512F.IsSupported) return Dot<Lanes512>(a, b);
            return Fma.IsSupported && Avx2.IsSupported ? Dot<Lanes256>(a, b) : Dot<Lanes128>(a, b);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private double Dot<V>(float* a, float* b)
            where V : unmanaged, ILanes<V>
        {
            nint full = width - width % V.Count;
            V sums = V.Zero;
            for (nint i = 0; i < full; i += V.Count) sums = V.MultiplyAdd(V.Load(a + i), V.Load(b + i), sums);
            double sum = V.Sum(sums);
            for (nint i = full; i < width; i++) sum += (double)a[i] * b[i];
            return sum;
        }

        private void Combine(float* a, float r, float* b, float s, float* sum)
        {
            for (int i = 0; i < width; i++)
            {
                float value = a[i] * r + b[i] * s;
                sum[i] = accumulate ? sum[i] + value : value;
            }
        }
    }
}
