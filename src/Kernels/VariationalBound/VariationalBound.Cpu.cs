namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.VariationalBoundForward(
        TensorView prediction, TensorView z, TensorView x0, TensorView rows, TensorView rowWeight, TensorView rowLoss, TensorView loss)
    {
        var layout = new VariationalBoundLayout(x0.Shape);
        EnsureScratch(2L * layout.Items);
        double* partials = (double*)Scratch(0);
        var job = new VariationalBoundJob(layout, prediction.Pointer, z.Pointer, x0.Pointer, rows.Pointer, partials);
        Pool.Run(ref job, layout.Items);
        double total = 0;
        for (int n = 0; n < layout.Rows; n++)
        {
            double sum = 0;
            for (int block = 0; block < layout.Blocks; block++) sum += partials[(nint)n * layout.Blocks + block];
            double bits = sum / (layout.RowElements * Math.Log(2));
            rowLoss.Pointer[n] = (float)bits;
            total += rowWeight.IsEmpty ? bits : rowWeight.Pointer[n] * bits;
        }
        loss.Pointer[0] = (float)(total / layout.Rows);
    }

    /// <inheritdoc/>
    void IKernels.VariationalBoundBackward(
        TensorView prediction, TensorView z, TensorView x0, TensorView rows, TensorView rowWeight, TensorView dloss, TensorView dprediction, bool accumulate)
    {
        var layout = new VariationalBoundLayout(x0.Shape);
        double factor = dloss.Pointer[0] / (x0.Count * Math.Log(2));
        var job = new VariationalBoundGradientJob(
            layout, factor, prediction.Pointer, z.Pointer, x0.Pointer, rows.Pointer, rowWeight.Pointer, dprediction.Pointer, accumulate);
        Pool.Run(ref job, layout.Items);
    }

    private static VariationalBoundElement VariationalBoundRow(float* rows, int n)
    {
        float* row = rows + (nint)n * VariationalBoundElement.RowLength;
        return new() { XFromZ = row[0], XFromG = row[1], CoefX0 = row[2], LogVarMin = row[3], LogVarMax = row[4], Last = row[5] };
    }

    /// <summary>Rows in blocks of positions.</summary>
    private readonly struct VariationalBoundLayout(Shape x0)
    {
        public int Rows { get; } = x0.Batch;

        public int Channels { get; } = x0.Channels;

        public nint RowElements { get; } = (nint)x0.RowCount;

        public nint Positions => RowElements / Channels;

        public nint PerBlock => Math.Max(1, ChunkLength / 8 / Channels);

        public int Blocks => (int)((Positions + PerBlock - 1) / PerBlock);

        public int Items => checked(Rows * Blocks);

        /// <summary>First position of an item and the one after its last, counted over all rows.</summary>
        public (nint First, nint End) Range(int item)
        {
            nint first = item % Blocks * PerBlock, row = item / Blocks * Positions;
            return (row + first, row + Math.Min(Positions, first + PerBlock));
        }
    }

    private readonly struct VariationalBoundJob(VariationalBoundLayout layout, float* prediction, float* z, float* x0, float* rows, double* partials) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            var element = VariationalBoundRow(rows, item / layout.Blocks);
            int channels = layout.Channels;
            var (first, end) = layout.Range(item);
            double sum = 0;
            for (nint position = first; position < end; position++)
            {
                float* p = prediction + position * 2 * channels, from = z + position * channels, clean = x0 + position * channels;
                for (int c = 0; c < channels; c++) sum += element.Nats<CpuScalarMath>(p[c], p[channels + c], from[c], clean[c]);
            }
            partials[item] = sum;
        }
    }

    private readonly struct VariationalBoundGradientJob(
        VariationalBoundLayout layout, double factor, float* prediction, float* z, float* x0, float* rows, float* rowWeight, float* dprediction, bool accumulate)
        : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            int row = item / layout.Blocks, channels = layout.Channels;
            var element = VariationalBoundRow(rows, row);
            float scale = (float)(rowWeight == null ? factor : factor * rowWeight[row]);
            var (first, end) = layout.Range(item);
            for (nint position = first; position < end; position++)
            {
                float* p = prediction + position * 2 * channels, from = z + position * channels, clean = x0 + position * channels;
                float* to = dprediction + position * 2 * channels;
                for (int c = 0; c < channels; c++)
                {
                    float value = scale * element.Gradient<CpuScalarMath>(p[c], p[channels + c], from[c], clean[c]);
                    if (!accumulate) to[c] = 0;
                    to[channels + c] = accumulate ? to[channels + c] + value : value;
                }
            }
        }
    }

    private readonly struct CpuScalarMath : IScalarMath
    {
        public static float Exp(float x) => MathF.Exp(x);

        public static float Log(float x) => MathF.Log(x);
    }
}
