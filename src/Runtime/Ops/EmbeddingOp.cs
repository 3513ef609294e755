using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>Row indices[n] of the table for every n: [N] and [K,D] to [N,D]. See <see cref="IKernels.EmbeddingForward"/>.</summary>
    /// <param name="indices">[N] int32 bit patterns from 0 to K - 1. The caller checks their range: a device cannot.</param>
    /// <param name="table">[K,D].</param>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public Tensor EmbeddingLookup(Tensor indices, Tensor table)
    {
        if (indices.Shape.Rank != 1 || table.Shape.Rank != 2)
            throw new ArgumentException($"EmbeddingLookup takes indices [N] and a table [K,D]; got {indices} and {table}.");
        var y = Temporary(new Shape(indices.Shape.Batch, table.Shape.Channels), "embedding");
        Record(nameof(IKernels.EmbeddingForward), [indices, table], [y], k => k.EmbeddingForward(indices.View, table.View, y.View));
        OnBackward([table], y, dy =>
        {
            var (dtable, accumulate) = GradientTarget(table);
            Record(nameof(IKernels.EmbeddingBackward), [indices, dy], [dtable],
                k => k.EmbeddingBackward(indices.View, dy.View, dtable.View, accumulate), y.Count);
        });
        return y;
    }
}
