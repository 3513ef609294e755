using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.MseLossForward(TensorView prediction, TensorView target, TensorView rowWeight, TensorView rowLoss, TensorView loss)
    {
        var layout = new MseLayout(prediction.Shape, target.Shape);
        EnsureScratch(2L * layout.Items);
        double* partials = (double*)Scratch(0);
        var job = new MseSumJob(layout, prediction.Pointer, target.Pointer, partials);
        Pool.Run(ref job, layout.Items);
        double total = 0;
        for (int n = 0; n < layout.Rows; n++)
        {
            double sum = 0;
            for (int block = 0; block < layout.Blocks; block++) sum += partials[(nint)n * layout.Blocks + block];
            double mean = sum / target.Shape.RowCount;
            rowLoss.Pointer[n] = (float)mean;
            total += rowWeight.IsEmpty ? mean : rowWeight.Pointer[n] * mean;
        }
        loss.Pointer[0] = (float)(total / layout.Rows);
    }

    /// <inheritdoc/>
    void IKernels.MseLossBackward(
        TensorView prediction, TensorView target, TensorView rowWeight, TensorView dloss, TensorView dprediction, bool accumulate)
    {
        var layout = new MseLayout(prediction.Shape, target.Shape);
        double factor = 2.0 * dloss.Pointer[0] / target.Count;
        var job = new MseGradientJob(
            layout, factor, prediction.Pointer, target.Pointer, rowWeight.Pointer, dprediction.Pointer, accumulate);
        Pool.Run(ref job, layout.Items);
    }

    /// <summary>Rows in blocks of runs: a run is what lies side by side in both tensors, the whole row if the channels are equal.</summary>
    private readonly struct MseLayout
    {
        public readonly int Rows, Blocks;
        public readonly nint Run, Step;
        private readonly nint _runs, _runsPerBlock;

        public MseLayout(Shape prediction, Shape target)
        {
            bool whole = prediction.Channels == target.Channels;
            Rows = target.Batch;
            nint row = (nint)target.RowCount;
            Run = whole ? Math.Min(row, ChunkLength) : target.Channels;
            Step = whole ? Run : prediction.Channels;
            RowElements = row;
            _runs = (row + Run - 1) / Run;
            _runsPerBlock = Math.Max(1, ChunkLength / Run);
            Blocks = (int)((_runs + _runsPerBlock - 1) / _runsPerBlock);
        }

        public nint RowElements { get; }

        public int Items => checked(Rows * Blocks);

        /// <summary>Elements of a row of the prediction.</summary>
        public nint RowStep => Step == Run ? RowElements : RowElements / Run * Step;

        public nint FirstRun(int item) => item % Blocks * _runsPerBlock;

        public nint EndRun(int item) => Math.Min(_runs, FirstRun(item) + _runsPerBlock);

        public nint Length(nint run) => Math.Min(Run, RowElements - run * Run);
    }

    private readonly struct MseSumJob(MseLayout layout, float* prediction, float* target, double* partials) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            float* p = prediction + item / layout.Blocks * layout.RowStep, t = target + item / layout.Blocks * layout.RowElements;
            double sum = 0;
            for (nint run = layout.FirstRun(item); run < layout.EndRun(item); run++)
            {
                float* left = p + run * layout.Step, right = t + run * layout.Run;
                nint length = layout.Length(run);
                if (Avx512F.IsSupported) sum += SquaredDistance<Lanes512>(left, right, length);
                else if (Fma.IsSupported && Avx2.IsSupported) sum += SquaredDistance<Lanes256>(left, right, length);
                else sum += SquaredDistance<Lanes128>(left, right, length);
            }
            partials[item] = sum;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static double SquaredDistance<V>(float* a, float* b, nint length)
            where V : unmanaged, ILanes<V>
        {
            const int Span = 1024;
            double sum = 0;
            nint i = 0;
            while (i <= length - 4 * V.Count)
            {
                V s0 = V.Zero, s1 = V.Zero, s2 = V.Zero, s3 = V.Zero;
                for (nint end = Math.Min(length, i + Span) - 4 * V.Count; i <= end; i += 4 * V.Count)
                {
                    V d0 = V.Load(a + i) - V.Load(b + i), d1 = V.Load(a + i + V.Count) - V.Load(b + i + V.Count);
                    V d2 = V.Load(a + i + 2 * V.Count) - V.Load(b + i + 2 * V.Count);
                    V d3 = V.Load(a + i + 3 * V.Count) - V.Load(b + i + 3 * V.Count);
                    s0 = V.MultiplyAdd(d0, d0, s0);
                    s1 = V.MultiplyAdd(d1, d1, s1);
                    s2 = V.MultiplyAdd(d2, d2, s2);
                    s3 = V.MultiplyAdd(d3, d3, s3);
                }
                sum += V.Sum(s0 + s1 + (s2 + s3));
            }
            for (; i < length; i++)
            {
                double d = a[i] - b[i];
                sum += d * d;
            }
            return sum;
        }
    }

    private readonly struct MseGradientJob(
        MseLayout layout, double factor, float* prediction, float* target, float* rowWeight, float* dprediction, bool accumulate)
        : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            int row = item / layout.Blocks;
            float scale = (float)(rowWeight == null ? factor : factor * rowWeight[row]);
            for (nint run = layout.FirstRun(item); run < layout.EndRun(item); run++)
            {
                nint left = row * layout.RowStep + run * layout.Step, right = row * layout.RowElements + run * layout.Run;
                nint length = layout.Length(run), extra = layout.Step - layout.Run;
                float* p = prediction + left, t = target + right, to = dprediction + left;
                if (Avx512F.IsSupported) Run<Lanes512>(p, t, to, length, extra, scale);
                else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(p, t, to, length, extra, scale);
                else Run<Lanes128>(p, t, to, length, extra, scale);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(float* p, float* t, float* to, nint length, nint extra, float scale)
            where V : unmanaged, ILanes<V>
        {
            V factors = V.Broadcast(scale);
            nint i = 0;
            for (; i <= length - V.Count; i += V.Count)
            {
                V value = factors * (V.Load(p + i) - V.Load(t + i));
                V.Store(to + i, accumulate ? V.Load(to + i) + value : value);
            }
            for (; i < length; i++) to[i] = accumulate ? to[i] + scale * (p[i] - t[i]) : scale * (p[i] - t[i]);
            if (accumulate) return;
            for (; i < length + extra; i++) to[i] = 0;
        }
    }
}
