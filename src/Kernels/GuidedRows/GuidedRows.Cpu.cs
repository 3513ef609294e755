namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.TakeBranch(TensorView prediction, TensorView branchRow, TensorView y)
    {
        int* rows = (int*)branchRow.Pointer;
        int branches = branchRow.Shape.Channels, channels = y.Shape.Channels, stride = prediction.Shape.Channels;
        RequireBranchRows(prediction, branchRow, first: 0);
        for (int n = 0; n < y.Shape.Batch; n++)
        {
            var from = prediction.Rows(rows[n * branches] >= 0 ? rows[n * branches] : n, 1);
            CopyChannels(from.Pointer, stride, y.Rows(n, 1).Pointer, channels, channels, y.Shape.RowCount / channels, accumulate: false);
        }
    }

    /// <inheritdoc/>
    void IKernels.PutGuided(TensorView guided, TensorView branchRow, int guidedChannels, TensorView prediction, TensorView weight)
    {
        RequireBranchRows(prediction, branchRow, first: weight.Shape.Batch);
        int channels = guided.Shape.Channels, stride = prediction.Shape.Channels;
        var job = new PutGuidedJob(
            guided.Pointer, (int*)branchRow.Pointer, prediction.Pointer, weight.Pointer, branchRow.Shape.Channels, guided.Shape.RowCount / channels, channels, stride,
            guidedChannels);
        Pool.Run(ref job, weight.Shape.Batch);
    }

    private static void RequireBranchRows(TensorView prediction, TensorView branchRow, int first)
    {
        int* rows = (int*)branchRow.Pointer;
        for (int i = 0; i < branchRow.Count; i++)
            if (rows[i] >= prediction.Shape.Batch || (rows[i] >= 0 && rows[i] < first))
                throw new ArgumentException(
                    $"Sample {i / branchRow.Shape.Channels} has its branch {i % branchRow.Shape.Channels + 1} in row {rows[i]}; "
                    + $"of {prediction.Shape} those from {first} on can be branches.");
    }

    private readonly struct PutGuidedJob(
        float* guided, int* branchRow, float* prediction, float* weight, int branches, long pixels, int channels, int stride, int used) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            float* weights = weight + (nint)item * (1 + branches), p = prediction + item * pixels * stride, to = guided + item * pixels * channels;
            int* rows = branchRow + (nint)item * branches;
            bool isGuided = rows[0] >= 0 && weights[1] != 0;
            for (nint pixel = 0; pixel < pixels; pixel++)
                for (int c = 0; c < used; c++)
                {
                    nint i = pixel * stride + c;
                    float x = p[i], sum = isGuided ? to[pixel * channels + c] + (weights[0] - 1) * x : weights[0] * x;
                    for (int k = 1; k < branches; k++)
                        if (rows[k] >= 0 && weights[1 + k] != 0)
                            sum += weights[1 + k] * (x - prediction[rows[k] * pixels * stride + i]);
                    p[i] = sum;
                }
            weights[0] = 1;
            for (int k = 0; k < branches; k++) weights[1 + k] = 0;
        }
    }
}
