using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Cli;

/// <summary>
/// Images between two: their noise lies on the arc between the noises of two seeds, or their prediction is a mixture of those for two classes, in equal parts of the way.
/// </summary>
internal static class Interpolation
{
    /// <summary>The requests of a selection with what each starts from.</summary>
    /// <param name="model">The model.</param>
    /// <param name="requests">Row by row, <paramref name="count"/> to a row.</param>
    /// <param name="count">Images of a row, at least 2.</param>
    /// <param name="from">Seed of the first image.</param>
    /// <param name="to">Seed of the last one; the same for one noise in all of them.</param>
    public static IReadOnlyList<SampleRequest> Between(DiffusionModel model, IReadOnlyList<SampleRequest> requests, int count, ulong from, ulong to) =>
        [.. requests.Select((request, i) =>
        {
            int index = requests[i - i % count].Index;
            float[] first = Noise(model, from, index), last = to == from ? first : Noise(model, to, index);
            return request with { Start = SampleStart.Noise(Arc(first, last, Share(i, count))) };
        })];

    /// <summary>How far an image is on the way, 0 to 1.</summary>
    public static double Share(int position, int count) => position % count / (count - 1.0);

    private static float[] Noise(DiffusionModel model, ulong seed, int index)
    {
        var network = model.Network.Config;
        var shape = new Shape(1, network.ImageSize, network.ImageSize, network.InChannels);
        var kernels = model.Kernels;
        using var noise = kernels.Allocate(shape.Count);
        using var number = kernels.Allocate(1);
        TensorView view = new(noise, 0, shape), sample = new(number, 0, new Shape(1));
        kernels.Upload([index], sample);
        using (kernels.Queue.Enter()) kernels.NormalNoise(seed, 0, RandomStream.InitialNoise, 1, sample, view);
        float[] values = new float[shape.Count];
        kernels.Download(view, values);
        return values;
    }

    // A straight line would lead through noise that is too weak.
    private static float[] Arc(float[] a, float[] b, double share)
    {
        double dot = 0, lengthA = 0, lengthB = 0;
        for (int i = 0; i < a.Length; i++)
        {
            dot += (double)a[i] * b[i];
            lengthA += (double)a[i] * a[i];
            lengthB += (double)b[i] * b[i];
        }
        double angle = Math.Acos(Math.Clamp(dot / Math.Sqrt(lengthA * lengthB), -1, 1));
        if (angle < 1e-6) return share < 1 ? a : b;
        double fromA = Math.Sin((1 - share) * angle) / Math.Sin(angle), fromB = Math.Sin(share * angle) / Math.Sin(angle);
        return [.. a.Zip(b, (x, y) => (float)(fromA * x + fromB * y))];
    }
}

/// <summary>
/// A mixture of two classes' predictions, p = (1 - t) p0 + t p1, under whatever else guides: with strength w of the null class,
/// p + w (p - pn) = p0 + w (p0 - pn) - t (1 + w) (p0 - p1).
/// </summary>
/// <param name="label">The other class.</param>
/// <param name="shares">t of each sample, by its number.</param>
internal sealed class MixedClassBranch(int label, IReadOnlyDictionary<int, double> shares) : Branch
{
    /// <inheritdoc/>
    public override string Name => "mixed class";

    /// <inheritdoc/>
    public override double Strength(SampleRequest request) => request.Label < 0 ? 0 : -shares.GetValueOrDefault(request.Index) * request.Scale.S;

    /// <inheritdoc/>
    public override int Label(SampleRequest request, ulong seed, GuidanceMoment moment, int classes) => label;
}
