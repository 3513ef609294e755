using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>
    /// Noisy training samples and what the network has to predict from them: z = alpha x + sigma noise, with noise from
    /// (seed, sampleIndex, step). Nothing is differentiated: a training step starts here.
    /// </summary>
    /// <param name="x">Clean samples, [N, ...].</param>
    /// <param name="alpha">Signal factor of each row, [N].</param>
    /// <param name="sigma">Noise factor of each row, [N].</param>
    /// <param name="sampleIndex">Index of each sample in the run, int32 bits, [N].</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="step">Number of the training step.</param>
    /// <param name="prediction">What the network predicts; for <see cref="PredictionTarget.X0"/> the target returned is x itself.</param>
    /// <exception cref="ArgumentException">Shapes differ.</exception>
    public (Tensor Z, Tensor Target) AddNoise(
        Tensor x, Tensor alpha, Tensor sigma, Tensor sampleIndex, Slot<ulong> seed, Slot<uint> step, PredictionTarget prediction)
    {
        CheckPerRow(nameof(AddNoise), x, alpha, sigma, sampleIndex);
        var z = Temporary(x.Shape, "z");
        var target = prediction == PredictionTarget.X0 ? null : Temporary(x.Shape, "target");
        RecordVarying(nameof(IKernels.AddNoise), [x, alpha, sigma, sampleIndex], [z, target], k => k.AddNoise(
            x.View, alpha.View, sigma.View, sampleIndex.View, seed.Value, step.Value, prediction, z.View, target?.View ?? default), 6.0 * x.Count);
        RefuseGradient(nameof(AddNoise), [x, alpha, sigma], z);
        if (target is not null) RefuseGradient(nameof(AddNoise), [x, alpha, sigma], target);
        return (z, target ?? x);
    }

    /// <summary>Standard normal noise times <paramref name="scale"/>, row by row from (seed, sampleIndex, step).</summary>
    /// <param name="shape">Shape of the result, [N, ...].</param>
    /// <param name="sampleIndex">Index of each sample in the run, int32 bits, [N].</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="step">Number of the step.</param>
    /// <param name="stream">What the noise is for.</param>
    /// <param name="scale">Standard deviation.</param>
    /// <exception cref="ArgumentException">Shapes differ.</exception>
    public Tensor NormalNoise(Shape shape, Tensor sampleIndex, Slot<ulong> seed, Slot<uint> step, RandomStream stream, float scale = 1)
    {
        var y = Temporary(shape, "noise");
        CheckPerRow(nameof(NormalNoise), y, sampleIndex);
        RecordVarying(nameof(IKernels.NormalNoise), [sampleIndex], [y], k => k.NormalNoise(seed.Value, step.Value, stream, scale, sampleIndex.View, y.View));
        return y;
    }

    private static void CheckPerRow(string op, Tensor x, params ReadOnlySpan<Tensor> perRow)
    {
        foreach (var tensor in perRow)
            if (tensor.Count != x.Shape.Batch)
                throw new ArgumentException($"{op}: {tensor} must hold one number for each of the {x.Shape.Batch} rows of {x}.");
    }
}
