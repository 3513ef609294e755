namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.RowsAtMost(TensorView values, TensorView weights, double bound, TensorView y)
    {
        var job = new RowsAtMostJob(values.Pointer, weights.Pointer, bound, (int*)y.Pointer, (nint)values.Shape.RowCount);
        Pool.Run(ref job, values.Shape.Batch);
    }

    private readonly struct RowsAtMostJob(float* values, float* weights, double bound, int* y, nint length) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            double sum = 0;
            for (nint i = item * length; i < (item + 1) * length; i++) sum += (double)values[i] * weights[i];
            y[item] = sum > bound ? 0 : 1;
        }
    }
}
