using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Clip;

/// <summary>What CLIP's image tower expects: a square of its resolution, each channel shifted and scaled as in its training.</summary>
public static class ClipPreprocessing
{
    private static readonly double[] Mean = [0.48145466, 0.4578275, 0.40821073], Deviation = [0.26862954, 0.26130258, 0.27577711];

    /// <summary>A picture as the published pipeline prepares it: shorter side to the resolution (bicubic, antialiased, in bytes), centre crop, normalise.</summary>
    /// <param name="image">Grey or RGB.</param>
    /// <param name="resolution">The tower's (<see cref="ClipConfig.ImageResolution"/>).</param>
    /// <returns>[resolution, resolution, 3].</returns>
    public static float[] Apply(Image image, int resolution)
    {
        if (resolution is < 1 or > Image.MaxSide) throw new ArgumentOutOfRangeException(nameof(resolution), resolution, $"A resolution is 1 to {Image.MaxSide}.");
        image = image.ToRgb();
        int shorter = Math.Min(image.Width, image.Height);
        int width = (int)((long)resolution * image.Width / shorter), height = (int)((long)resolution * image.Height / shorter);
        var pixels = ByteResize.Cubic(image, width, height).Pixels.Span;
        int left = (int)Math.Round((width - resolution) / 2.0), top = (int)Math.Round((height - resolution) / 2.0);
        float[] result = new float[resolution * resolution * 3];
        for (int y = 0; y < resolution; y++)
            for (int i = 0; i < resolution * 3; i++)
                result[y * resolution * 3 + i] = (float)((pixels[((top + y) * width + left) * 3 + i] / 255.0 - Mean[i % 3]) / Deviation[i % 3]);
        return result;
    }

    /// <summary>
    /// Records the same for images of a plan, so that gradients flow back: x in [-1, 1] as (x + 1) / 2, resized to the square of the resolution without
    /// rounding to bytes, normalised. Images that are not square are stretched.
    /// </summary>
    /// <param name="b">The plan.</param>
    /// <param name="x">[N, H, W, 3].</param>
    /// <param name="resolution">The tower's.</param>
    /// <returns>[N, resolution, resolution, 3].</returns>
    public static Tensor Record(PlanBuilder b, Tensor x, int resolution)
    {
        if (x.Shape.Rank != 4 || x.Shape[3] != 3) throw new ArgumentException($"CLIP sees images [N,H,W,3]; got {x}.");
        if (x.Shape[1] != resolution || x.Shape[2] != resolution)
            x = b.Resize(x, ResampleTable.Cubic(x.Shape[1], resolution), ResampleTable.Cubic(x.Shape[2], resolution));
        return ChannelNormalisation.Record(b, x, [(Mean[0], Deviation[0]), (Mean[1], Deviation[1]), (Mean[2], Deviation[2])]);
    }
}
