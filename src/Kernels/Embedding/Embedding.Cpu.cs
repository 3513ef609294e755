using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.EmbeddingForward(TensorView indices, TensorView table, TensorView y)
    {
        CheckIndices(indices, table.Shape.Batch, "the table's rows");
        nint width = table.Shape.Channels;
        int* row = (int*)indices.Pointer;
        for (int n = 0; n < indices.Count; n++)
            new ReadOnlySpan<float>(table.Pointer + row[n] * width, (int)width).CopyTo(new Span<float>(y.Pointer + n * width, (int)width));
    }

    /// <inheritdoc/>
    void IKernels.EmbeddingBackward(TensorView indices, TensorView dy, TensorView dtable, bool accumulate)
    {
        CheckIndices(indices, dtable.Shape.Batch, "the table's rows");
        if (!accumulate) Ops.Fill(dtable, 0);
        var job = new EmbeddingGradientJob((int*)indices.Pointer, (int)indices.Count, dy.Pointer, dtable.Pointer, dtable.Shape.Channels);
        Pool.Run(ref job, (dtable.Shape.Channels + EmbeddingGradientJob.ColumnsPerItem - 1) / EmbeddingGradientJob.ColumnsPerItem);
    }

    /// <summary>A wrong index would read or write foreign memory.</summary>
    private static void CheckIndices(TensorView indices, int limit, string what)
    {
        int* index = (int*)indices.Pointer;
        for (int n = 0; n < indices.Count; n++)
            if ((uint)index[n] >= (uint)limit)
            {
                throw new ArgumentOutOfRangeException(
                    nameof(indices), $"Index {index[n]} of element {n} is not among {what}, 0 to {limit - 1}.");
            }
    }

    /// <summary>Columns are shared out, so that each element of the table has one writer that goes through the batch in order.</summary>
    private readonly struct EmbeddingGradientJob(int* indices, int count, float* dy, float* dtable, int width) : IWorkerJob
    {
        public const int ColumnsPerItem = 256;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Execute(int item, int worker)
        {
            int first = item * ColumnsPerItem, end = Math.Min(width, first + ColumnsPerItem);
            for (int n = 0; n < count; n++)
            {
                float* from = dy + (nint)n * width, to = dtable + (nint)indices[n] * width;
                for (nint c = first; c < end; c++) to[c] += from[c];
            }
        }
    }
}
