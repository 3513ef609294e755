using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Clip;

/// <summary>What CLIP's image tower expects: a square of its resolution, each channel shifted and scaled as in its training.</summary>
public static class ClipPreprocessing
{
    // Fixed-point weights, as image libraries have them for bytes.
    private const int FractionBits = 22;

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
        byte[] pixels = ResizeRows(ResizeColumns(image.Pixels.Span, image.Height, image.Width, width), image.Height, height, width);
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

    private static byte[] ResizeColumns(ReadOnlySpan<byte> source, int height, int from, int to)
    {
        if (from == to) return source.ToArray();
        byte[] result = new byte[height * to * 3];
        var table = ResampleTable.Cubic(from, to);
        var outputs = Enumerable.Range(0, to).Select(i => FixedPoint(table, i)).ToArray();
        for (int y = 0; y < height; y++)
            for (int i = 0; i < to; i++)
            {
                var (first, weights) = outputs[i];
                int red = 1 << (FractionBits - 1), green = red, blue = red, at = (y * from + first) * 3;
                foreach (int weight in weights)
                {
                    red += weight * source[at];
                    green += weight * source[at + 1];
                    blue += weight * source[at + 2];
                    at += 3;
                }
                int target = (y * to + i) * 3;
                (result[target], result[target + 1], result[target + 2]) = (ToByte(red), ToByte(green), ToByte(blue));
            }
        return result;
    }

    private static byte[] ResizeRows(byte[] source, int from, int to, int width)
    {
        if (from == to) return source;
        byte[] result = new byte[to * width * 3];
        var table = ResampleTable.Cubic(from, to);
        int[] sums = new int[width * 3];
        for (int i = 0; i < to; i++)
        {
            var (first, weights) = FixedPoint(table, i);
            Array.Fill(sums, 1 << (FractionBits - 1));
            for (int t = 0; t < weights.Length; t++)
                for (int x = 0; x < sums.Length; x++)
                    sums[x] += weights[t] * source[(first + t) * sums.Length + x];
            for (int x = 0; x < sums.Length; x++) result[i * sums.Length + x] = ToByte(sums[x]);
        }
        return result;
    }

    private static (int First, int[] Weights) FixedPoint(ResampleTable table, int output)
    {
        var (first, weights) = table.Exact(output);
        return (first, [.. weights.Select(w => (int)Math.Round(w * (1 << FractionBits), MidpointRounding.AwayFromZero))]);
    }

    private static byte ToByte(int sum) => (byte)Math.Clamp(sum >> FractionBits, 0, 255);
}
