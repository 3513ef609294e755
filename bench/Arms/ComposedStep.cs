using System.Numerics.Tensors;
using NativeDiffusion.Kernels;

namespace NativeDiffusion.Bench.Arms;

/// <summary>
/// Guidance and the sampler's step as one vectorised pass after another over arrays that were allocated beforehand: what a careful program does
/// without a fused kernel. Rows without noise, second history and learned variance.
/// </summary>
internal sealed class ComposedStep(int count)
{
    private readonly float[] _guided = new float[count], _clean = new float[count];

    /// <summary>Updates <paramref name="z"/> and <paramref name="history"/> in place.</summary>
    public void Run(
        in GuidedStepRow row, float scale, ReadOnlySpan<float> conditional, ReadOnlySpan<float> unconditional, Span<float> z, Span<float> history)
    {
        CheckRow(row);
        TensorPrimitives.Subtract(conditional, unconditional, _guided);
        TensorPrimitives.MultiplyAdd(_guided, scale, unconditional, _guided);
        TensorPrimitives.Multiply(z, row.XFromZ, _clean);
        TensorPrimitives.MultiplyAdd(_guided, row.XFromG, _clean, _clean);
        if (row.Clip) TensorPrimitives.Clamp(_clean, row.ClipLow, row.ClipHigh, _clean);
        TensorPrimitives.Multiply(z, row.A, z);
        TensorPrimitives.MultiplyAdd(_clean, row.B, z, z);
        if (row.E != 0) TensorPrimitives.MultiplyAdd(_guided, row.E, z, z);
        if (row.P != 0) TensorPrimitives.MultiplyAdd(history, row.P, z, z);
        if (row.StoreHistory) _clean.CopyTo(history);
    }

    /// <summary>Refuses rows whose terms the composed arms leave out.</summary>
    public static void CheckRow(in GuidedStepRow row)
    {
        if (row.Q != 0 || row.StoreState || row.C != 0 || row.LearnedVariance || (row.StoreHistory && (row.HistoryFromZ, row.HistoryFromX) != (0, 1)))
            throw new ArgumentException($"The composed arms take rows of DDIM and DPM-Solver++(2M); got {row}.");
    }
}
