namespace NativeDiffusion.Kernels;

/// <summary>What a network is trained to predict at <c>z = alpha x + sigma noise</c>.</summary>
public enum PredictionTarget
{
    /// <summary>The noise (Ho et al., arXiv 2006.11239).</summary>
    Eps,

    /// <summary>The clean sample.</summary>
    X0,

    /// <summary><c>v = alpha noise - sigma x</c> (Salimans and Ho, arXiv 2202.00512).</summary>
    V,
}

public partial interface IKernels
{
    /// <summary>z[n, e] = alpha[n] x[n, e] + sigma[n] noise[n, e]: the forward process to one noise level per row. z may be x or
    /// noise.</summary>
    internal void AddNoise(TensorView x, TensorView alpha, TensorView sigma, TensorView noise, TensorView z);

    /// <summary>
    /// The forward process with noise = <see cref="Philox.Normal"/>(seed, sampleIndex[n], step, <see cref="RandomStream.StepNoise"/>, e),
    /// made in
    /// registers, and what a network has to predict from it: z = alpha x + sigma noise, and target = noise, x or alpha noise - sigma x.
    /// </summary>
    /// <param name="x">Clean samples, [N, ...].</param>
    /// <param name="alpha">Signal factor of each row, [N].</param>
    /// <param name="sigma">Noise factor of each row, [N].</param>
    /// <param name="sampleIndex">int32 bits, [N].</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="step">Number of the training step.</param>
    /// <param name="prediction">Which target.</param>
    /// <param name="z">Noisy samples, shaped as x; may be x unless the target is <see cref="PredictionTarget.X0"/>.</param>
    /// <param name="target">The target, shaped as x; empty where it is not wanted.</param>
    internal void AddNoise(
        TensorView x, TensorView alpha, TensorView sigma, TensorView sampleIndex, ulong seed, uint step, PredictionTarget prediction,
        TensorView z, TensorView target);
}
