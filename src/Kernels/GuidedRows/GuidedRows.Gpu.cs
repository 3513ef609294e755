using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void TakeBranch(TensorView prediction, TensorView branchRow, TensorView y) => LaunchEach(
        new TakeBranchKernel
        {
            Prediction = View(prediction), BranchRow = Indices(branchRow), Y = View(y), Rows = prediction.Shape.Batch, Branches = branchRow.Shape.Channels,
            Pixels = y.Shape.RowCount / y.Shape.Channels, Channels = y.Shape.Channels, Stride = prediction.Shape.Channels,
        }, y.Count);

    /// <inheritdoc/>
    public void PutGuided(TensorView guided, TensorView branchRow, int guidedChannels, TensorView prediction, TensorView weight) => Launch(
        new PutGuidedKernel
        {
            Guided = View(guided), BranchRow = Indices(branchRow), Prediction = View(prediction), Weight = View(weight), Rows = prediction.Shape.Batch,
            Samples = weight.Shape.Batch, Branches = branchRow.Shape.Channels, Pixels = guided.Shape.RowCount / guided.Shape.Channels,
            Channels = guided.Shape.Channels, Stride = prediction.Shape.Channels, Used = guidedChannels,
        }, weight.Shape.Batch);
}

/// <summary>An element of a branch's predictions.</summary>
internal struct TakeBranchKernel : IGpuKernel
{
    public ArrayView<float> Prediction, Y;
    public ArrayView<int> BranchRow;
    public long Pixels;
    public int Rows, Branches, Channels, Stride;

    public readonly void Run()
    {
        long i = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (i >= Y.Length) return;
        long position = i / Channels, n = position / Pixels;
        int row = BranchRow[n * Branches];
        if (row < 0) row = (int)n;
        float value = float.NaN;
        if (row < Rows) value = Prediction[(row * Pixels + position - n * Pixels) * Stride + (i - position * Channels)];
        Y[i] = value;
    }
}

/// <summary>The conditional prediction of one sample, a group for each.</summary>
internal struct PutGuidedKernel : IGpuKernel
{
    public ArrayView<float> Guided, Prediction, Weight;
    public ArrayView<int> BranchRow;
    public long Pixels;
    public int Rows, Samples, Branches, Channels, Stride, Used;

    public readonly void Run()
    {
        int n = Grid.IdxX, weights = n * (1 + Branches);
        bool inside = true;
        for (int k = 0; k < Branches; k++)
        {
            int row = BranchRow[n * Branches + k];
            if (row >= Rows || (row >= 0 && row < Samples)) inside = false;
        }
        float m = Weight[weights], w = Weight[weights + 1];
        bool isGuided = BranchRow[n * Branches] >= 0 && w != 0;
        if (inside)
            for (long e = Group.IdxX; e < Pixels * Used; e += GpuKernels.GroupSize)
            {
                long pixel = e / Used, c = e - pixel * Used, i = pixel * Stride + c;
                float x = Prediction[n * Pixels * Stride + i], sum = m * x;
                if (isGuided) sum = Guided[(n * Pixels + pixel) * Channels + c] + (m - 1f) * x;
                for (int k = 1; k < Branches; k++)
                {
                    int row = BranchRow[n * Branches + k];
                    float other = Weight[weights + 1 + k];
                    if (row >= 0 && other != 0) sum += other * (x - Prediction[row * Pixels * Stride + i]);
                }
                Prediction[n * Pixels * Stride + i] = sum;
            }
        // All have read the weights.
        Group.Barrier();
        if (Group.IdxX != 0) return;
        float one = 1f;
        if (!inside) one = float.NaN;
        Weight[weights] = one;
        for (int k = 0; k < Branches; k++) Weight[weights + 1 + k] = 0f;
    }
}
