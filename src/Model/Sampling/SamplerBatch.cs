using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Sampling;

/// <summary>How many images a sampler takes at once: a power of two that follows from the recorded network and the device, not from timing.</summary>
internal static class SamplerBatch
{
    // Activations of one evaluation that stay in the caches of today's processors; measured with 32 MB of the last level.
    private const long CachedBytes = 20_000_000;

    private const int MostCached = 64, MostOnDevice = 256;

    // The share of the arithmetic that finds all of the device busy; the rest are the products of the lowest resolution.
    private const double Filled = 0.9;

    /// <summary>
    /// On a CPU the largest whose activations fit the caches or stay below two thirds of the weights: those every evaluation
    /// reads from memory if they do not fit the caches, so that it pays to share them among images even though the activations leave the caches too.
    /// </summary>
    public static int ThatCachesHold(long bytesPerImage, long weightBytes)
    {
        long room = Math.Max(CachedBytes, weightBytes / 3 * 2);
        int images = 1;
        while (images < MostCached && 2 * images * bytesPerImage <= room) images *= 2;
        return images;
    }

    /// <summary>
    /// On a GPU the smallest that fills it, as more images only wait for each other then; fewer where the activations would take more than half of the free
    /// memory. A step of the network with n images fills the device as far as the elements of its result go into those that it computes side by side.
    /// </summary>
    /// <param name="capacity">The device.</param>
    /// <param name="evaluation">The network on the rows of one guided image.</param>
    public static int ThatFills(DeviceCapacity capacity, Plan evaluation)
    {
        int images = 1;
        while (images < MostOnDevice && 2 * images * evaluation.PeakBytes <= capacity.FreeBytes / 2 && Share(capacity, evaluation, images) < Filled) images *= 2;
        return images;
    }

    private static double Share(DeviceCapacity capacity, Plan evaluation, int images) =>
        evaluation.Steps.Sum(step => step.Flops * Math.Min(1, images * (double)Results(step) / capacity.ResultsAtOnce)) / Math.Max(1, evaluation.Flops);

    private static long Results(Step step) => step.Writes.Count == 0 ? 0 : step.Writes[0].Count;
}
