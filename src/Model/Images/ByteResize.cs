using NativeDiffusion.Kernels;

namespace NativeDiffusion.Model.Images;

/// <summary>
/// Resizes pictures by antialiased bicubic interpolation as image libraries do: columns first, then rows, each in bytes with weights in fixed point.
/// </summary>
internal static class ByteResize
{
    private const int FractionBits = 22;

    /// <summary>The picture with other sides.</summary>
    public static Image Cubic(Image image, int width, int height)
    {
        if ((width, height) == (image.Width, image.Height)) return image;
        byte[] columns = image.Channels == 3 ? ColoursAlong(image, width) : GreysAlong(image, width);
        return new Image(width, height, image.Channels, Rows(columns, image.Height, height, width * image.Channels));
    }

    private static byte[] ColoursAlong(Image image, int to)
    {
        if (to == image.Width) return image.Pixels.ToArray();
        byte[] result = GC.AllocateUninitializedArray<byte>(image.Height * to * 3);
        var outputs = Outputs(image.Width, to);
        var source = image.Pixels.Span;
        for (int y = 0; y < image.Height; y++)
        {
            var line = source.Slice(y * image.Width * 3, image.Width * 3);
            for (int i = 0; i < to; i++)
            {
                var (first, weights) = outputs[i];
                int red = 1 << (FractionBits - 1), green = red, blue = red;
                var part = line.Slice(first * 3, weights.Length * 3);
                for (int t = 0, at = 0; t < weights.Length && at + 2 < part.Length; t++, at += 3)
                {
                    red += weights[t] * part[at];
                    green += weights[t] * part[at + 1];
                    blue += weights[t] * part[at + 2];
                }
                int target = (y * to + i) * 3;
                (result[target], result[target + 1], result[target + 2]) = (ToByte(red), ToByte(green), ToByte(blue));
            }
        }
        return result;
    }

    private static byte[] GreysAlong(Image image, int to)
    {
        if (to == image.Width) return image.Pixels.ToArray();
        byte[] result = GC.AllocateUninitializedArray<byte>(image.Height * to);
        var outputs = Outputs(image.Width, to);
        var source = image.Pixels.Span;
        for (int y = 0; y < image.Height; y++)
        {
            var line = source.Slice(y * image.Width, image.Width);
            for (int i = 0; i < to; i++)
            {
                var (first, weights) = outputs[i];
                int grey = 1 << (FractionBits - 1);
                for (int t = 0; t < weights.Length; t++) grey += weights[t] * line[first + t];
                result[y * to + i] = ToByte(grey);
            }
        }
        return result;
    }

    private static byte[] Rows(byte[] source, int from, int to, int row)
    {
        if (from == to) return source;
        byte[] result = new byte[to * row];
        var outputs = Outputs(from, to);
        int[] sums = new int[row];
        for (int i = 0; i < to; i++)
        {
            var (first, weights) = outputs[i];
            Array.Fill(sums, 1 << (FractionBits - 1));
            for (int t = 0; t < weights.Length; t++)
            {
                var line = source.AsSpan((first + t) * row, row);
                for (int x = 0; x < sums.Length; x++) sums[x] += weights[t] * line[x];
            }
            for (int x = 0; x < sums.Length; x++) result[i * row + x] = ToByte(sums[x]);
        }
        return result;
    }

    private static (int First, int[] Weights)[] Outputs(int from, int to)
    {
        var table = ResampleTable.Cubic(from, to);
        return [.. Enumerable.Range(0, to).Select(i =>
        {
            var (first, weights) = table.Exact(i);
            return (first, (int[])[.. weights.Select(w => (int)Math.Round(w * (1 << FractionBits), MidpointRounding.AwayFromZero))]);
        })];
    }

    private static byte ToByte(int sum) => (byte)Math.Clamp(sum >> FractionBits, 0, 255);
}
