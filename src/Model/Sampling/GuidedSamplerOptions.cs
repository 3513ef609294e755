using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Guiders;

namespace NativeDiffusion.Model.Sampling;

/// <summary>What an observer of a sampler sees after an evaluation.</summary>
/// <param name="Row">Number of the sampler's row.</param>
/// <param name="Moment">Step, number of steps, level at which the network was called.</param>
/// <param name="First">Position of the batch's first request; the others follow it.</param>
/// <param name="State">The states after the step, [N, S, S, C], on the model's device.</param>
/// <param name="Denoised">The clean predictions that the step took, guided, [N, S, S, C].</param>
public readonly record struct SamplerObservation(int Row, GuidanceMoment Moment, int First, TensorView State, TensorView Denoised);

/// <summary>Receives a finished image.</summary>
/// <param name="position">Position of its request.</param>
/// <param name="pixels">[H, W, C] in [-1, 1], valid during the call.</param>
public delegate void SampleReceiver(int position, ReadOnlySpan<float> pixels);

/// <summary>Options of a <see cref="GuidedSampler"/> that do not change its coefficients.</summary>
public sealed record GuidedSamplerOptions
{
    /// <summary>
    /// Most images sampled at once, 1 to 65536; results do not depend on it. Null takes as many as are fastest. On a CPU, the largest power of two (at most
    /// 64) for which the activations of guided images take at most 20 MB, which caches hold, or two thirds of the bytes of the weights, which every
    /// evaluation reads. On a GPU, the smallest power of two (at most 256) that fills it, fewer where activations would take more than half of its free memory.
    /// </summary>
    public int? Batch { get; init; }

    /// <summary>Seed of all noise.</summary>
    public ulong Seed { get; init; }

    /// <summary>What steers the sampler; null for classifier-free guidance at every step, with each request's scale.</summary>
    public Guidance? Guidance { get; init; }

    /// <summary>Told every evaluation: step, state, clean prediction. The tensors are valid during the call.</summary>
    public Action<SamplerObservation>? Observer { get; init; }

    /// <summary>
    /// How many channels, from the first, are guided: the others have the conditional prediction. Null guides as many as the model's settings say, all by default; DiT's released code guides 3 of
    /// the 4 channels of its latents.
    /// </summary>
    public int? GuidedChannels { get; init; }

    /// <summary>Initial states [N, H, W, C] of the only batch, instead of noise.</summary>
    internal float[]? InitialState { get; init; }

    /// <summary>Noise of each draw [N, H, W, C], instead of the generator's: one for each row, and one for each time that noise brings the state back.</summary>
    internal Func<int, float[]>? Noise { get; init; }

    /// <summary>Called after each network evaluation with its number and the state.</summary>
    internal Action<int, TensorView>? AfterEvaluation { get; init; }
}
