using NativeDiffusion.Model.Autoencoders;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Model.Clip;

/// <summary>The CLIP score of a step's clean predictions.</summary>
/// <param name="Moment">Where the sampler stood.</param>
/// <param name="Mean">Mean over the images of the cosine with the text that each is led to.</param>
/// <param name="StandardError">Of that mean; 0 for a single image.</param>
/// <param name="Images">How many images.</param>
public readonly record struct ClipScore(GuidanceMoment Moment, double Mean, double StandardError, int Images);

/// <summary>
/// The CLIP score along a sampler's path: give <see cref="Observe"/> as <see cref="GuidedSamplerOptions.Observer"/>, sample, and read <see cref="Scores"/>.
/// </summary>
/// <param name="clip">CLIP with the texts; requests lead to them by <see cref="SampleRequest.GradientTarget"/>.</param>
/// <param name="requests">What is sampled, in its order.</param>
/// <param name="decoder">The decoder of a model of latents; null for a model of images.</param>
public sealed class ClipScorePath(ClipClassifier clip, IReadOnlyList<SampleRequest> requests, LatentDecoder? decoder = null)
{
    private readonly SortedDictionary<int, (GuidanceMoment Moment, int Images, double Sum, double Squares)> _rows = [];

    /// <summary>One score for each evaluation of the network, in order.</summary>
    public IReadOnlyList<ClipScore> Scores => [.. _rows.Values.Select(r =>
    {
        double mean = r.Sum / r.Images, variance = r.Images < 2 ? 0 : Math.Max(0, r.Squares - r.Images * mean * mean) / (r.Images - 1);
        return new ClipScore(r.Moment, mean, Math.Sqrt(variance / r.Images), r.Images);
    })];

    /// <summary>Takes a step into account; images without a text to lead to are left out.</summary>
    /// <exception cref="ArgumentException">The images are none that CLIP compares.</exception>
    public void Observe(SamplerObservation observation)
    {
        float[] cosines = clip.Cosines(observation.Denoised, decoder);
        var row = _rows.GetValueOrDefault(observation.Row, (observation.Moment, 0, 0, 0));
        for (int i = 0; i < observation.Denoised.Shape.Batch; i++)
        {
            int text = requests[observation.First + i].GradientTarget;
            if (text < 0) continue;
            double cosine = cosines[i * clip.Classes + text];
            row = (row.Moment, row.Images + 1, row.Sum + cosine, row.Squares + cosine * cosine);
        }
        if (row.Images > 0) _rows[observation.Row] = row;
    }
}
