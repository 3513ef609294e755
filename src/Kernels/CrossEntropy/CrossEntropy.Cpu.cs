using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.CrossEntropyForward(TensorView logits, TensorView labels, TensorView loss)
    {
        int classes = logits.Shape.Channels;
        CheckIndices(labels, classes, "the classes");
        EnsureScratch(2L * logits.Shape.Batch);
        double* rowLoss = (double*)Scratch(0);
        var job = new CrossEntropyJob(logits.Pointer, (int*)labels.Pointer, rowLoss, logits.Shape.Batch, classes);
        Pool.Run(ref job, RowItems(logits));
        double sum = 0;
        for (int n = 0; n < logits.Shape.Batch; n++) sum += rowLoss[n];
        loss.Pointer[0] = (float)(sum / logits.Shape.Batch);
    }

    /// <inheritdoc/>
    void IKernels.CrossEntropyBackward(TensorView logits, TensorView labels, TensorView dloss, TensorView dlogits, bool accumulate)
    {
        CheckIndices(labels, logits.Shape.Channels, "the classes");
        float factor = (float)((double)dloss.Pointer[0] / logits.Shape.Batch);
        var job = new CrossEntropyGradientJob(
            logits.Pointer, (int*)labels.Pointer, factor, dlogits.Pointer, logits.Shape.Batch, logits.Shape.Channels, accumulate);
        Pool.Run(ref job, RowItems(logits));
    }

    private readonly struct CrossEntropyJob(float* logits, int* labels, double* rowLoss, int rows, int width) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            for (int row = item * RowsPerItem(width); row < Math.Min(rows, (item + 1L) * RowsPerItem(width)); row++)
            {
                float* from = logits + (nint)row * width;
                var (max, logSum) = LogSumExp(from, width);
                rowLoss[row] = (double)max - from[labels[row]] + logSum;
            }
        }
    }

    private readonly struct CrossEntropyGradientJob(
        float* logits, int* labels, float factor, float* dlogits, int rows, int width, bool accumulate) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            for (int row = item * RowsPerItem(width); row < Math.Min(rows, (item + 1L) * RowsPerItem(width)); row++)
            {
                float* from = logits + (nint)row * width, to = dlogits + (nint)row * width;
                var (max, logSum) = LogSumExp(from, width);
                if (Avx512F.IsSupported) Run<Lanes512>(from, to, max, logSum);
                else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(from, to, max, logSum);
                else Run<Lanes128>(from, to, max, logSum);
                to[labels[row]] -= factor;
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(float* from, float* to, float max, float logSum)
            where V : unmanaged, ILanes<V>
        {
            V factors = V.Broadcast(factor), maxima = V.Broadcast(max), logSums = V.Broadcast(logSum);
            for (nint i = 0; i < width; i += V.Count)
            {
                int live = (int)Math.Min(V.Count, width - i);
                V value = factors * LanesMath.Exp((live == V.Count ? V.Load(from + i) : V.LoadPartial(from + i, live)) - maxima - logSums);
                if (accumulate) value += live == V.Count ? V.Load(to + i) : V.LoadPartial(to + i, live);
                if (live == V.Count) V.Store(to + i, value);
                else V.StorePartial(to + i, value, live);
            }
        }
    }
}
