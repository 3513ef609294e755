using System.Runtime.CompilerServices;
using System.Threading.Channels;
using NativeDiffusion.Model.Images;

namespace NativeDiffusion.Model.Sampling;

/// <summary>A finished image.</summary>
/// <param name="Position">Position of its request.</param>
/// <param name="Image">The image.</param>
public readonly record struct SampledImage(int Position, Image Image);

/// <content>Sampling in a thread of its own, for callers whose thread has other things to do.</content>
public sealed partial class GuidedSampler
{
    /// <summary>Samples images in a thread of their own. The sampler is in use until the task has ended.</summary>
    /// <param name="requests">Copied before this returns.</param>
    /// <param name="progress">Told in the sampling thread.</param>
    /// <param name="cancellation">Ends the sampling at once, also within an evaluation.</param>
    /// <returns>The images; its exceptions are those of <see cref="Sample(IReadOnlyList{SampleRequest}, IProgress{SamplingProgress}?, CancellationToken)"/>.</returns>
    public Task<Image[]> SampleAsync(IReadOnlyList<SampleRequest> requests, IProgress<SamplingProgress>? progress = null, CancellationToken cancellation = default)
    {
        SampleRequest[] copy = [.. requests];
        return OwnThread.Run(() => Sample(copy, progress, cancellation), cancellation);
    }

    /// <summary>
    /// Samples images in a thread of their own and gives each as soon as it is finished. At most <see cref="Batch"/> wait to be taken, then the sampling waits;
    /// who stops taking them ends it. The sampler is in use until the enumeration has ended.
    /// </summary>
    /// <param name="requests">Copied when the enumeration begins.</param>
    /// <param name="progress">Told in the sampling thread.</param>
    /// <param name="cancellation">Ends the sampling at once, also within an evaluation.</param>
    /// <returns>The images; its exceptions are those of <see cref="Sample(IReadOnlyList{SampleRequest}, IProgress{SamplingProgress}?, CancellationToken)"/>.</returns>
    public async IAsyncEnumerable<SampledImage> SampleEachAsync(
        IReadOnlyList<SampleRequest> requests, IProgress<SamplingProgress>? progress = null, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        SampleRequest[] copy = [.. requests];
        var finished = Channel.CreateBounded<SampledImage>(new BoundedChannelOptions(Batch) { SingleReader = true, SingleWriter = true });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var sampling = OwnThread.Run(() => SampleInto(finished.Writer, copy, progress, stop.Token), CancellationToken.None);
        bool isTaken = false;
        try
        {
            await foreach (var image in finished.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false)) yield return image;
            isTaken = true;
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            try
            {
                await sampling.ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!isTaken)
            {
                // Whoever took no more images has ended it.
            }
            catch (OperationCanceledException e)
            {
                throw new OperationCanceledException(e.Message, e, cancellation);
            }
        }
    }

    private bool SampleInto(ChannelWriter<SampledImage> finished, SampleRequest[] requests, IProgress<SamplingProgress>? progress, CancellationToken cancellation)
    {
        try
        {
            Sample(requests, Put, progress, cancellation);
            return true;
        }
        finally
        {
            finished.Complete();
        }

        void Put(int position, ReadOnlySpan<float> pixels)
        {
            var image = new SampledImage(position, ToImage(pixels));
            if (!finished.TryWrite(image)) finished.WriteAsync(image, cancellation).AsTask().GetAwaiter().GetResult();
        }
    }
}
