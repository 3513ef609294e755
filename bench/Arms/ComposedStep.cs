using System.Numerics.Tensors;
using NativeDiffusion.Kernels;

namespace NativeDiffusion.Bench.Arms;

/// <summary>
/// Guidance and the sampler's step as one vectorised pass after another over arrays that were allocated beforehand: what a careful program does
/// without a fused kernel. Rows without second history; noise and learned variance where a <see cref="StepNoise"/> is given.
/// </summary>
internal sealed class ComposedStep(int count, StepNoise? noise = null)
{
    private readonly float[] _guided = new float[count], _clean = new float[count];
    private readonly float[] _conditional = new float[noise is null ? 0 : count], _unconditional = new float[noise is null ? 0 : count];
    private readonly float[] _deviation = new float[noise is null ? 0 : count];

    /// <summary>Updates <paramref name="z"/> and <paramref name="history"/> in place.</summary>
    public void Run(
        in GuidedStepRow row, float scale, ReadOnlySpan<float> conditional, ReadOnlySpan<float> unconditional, Span<float> z, Span<float> history)
    {
        CheckRow(row, noise);
        if (conditional.Length > z.Length)
        {
            noise!.Split(conditional, 0, _conditional);
            noise.Split(unconditional, 0, _unconditional);
            noise.Split(conditional, 1, _deviation);
            conditional = _conditional;
            unconditional = _unconditional;
        }
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
        if (noise is null) return;
        var drawn = noise.Draw(row);
        if (row.LearnedVariance)
        {
            StepNoise.Deviation(row, _deviation, _deviation);
            TensorPrimitives.MultiplyAdd(_deviation, drawn, z, z);
        }
        else TensorPrimitives.MultiplyAdd(drawn, row.C, z, z);
    }

    /// <summary>Refuses rows whose terms the composed arms leave out.</summary>
    public static void CheckRow(in GuidedStepRow row, StepNoise? noise = null)
    {
        bool noisy = row.C != 0 || row.LearnedVariance;
        if (row.Q != 0 || row.StoreState || noisy != noise is not null || (row.StoreHistory && (row.HistoryFromZ, row.HistoryFromX) != (0, 1)))
            throw new ArgumentException($"The composed arms take rows of DDIM, DPM-Solver++(2M) and ancestral samplers, with noise if they have it; got {row}.");
    }
}
