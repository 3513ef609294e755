using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using NativeDiffusion.Model.Data;

namespace NativeDiffusion.Model.Metrics;

/// <summary>An image's two nearest neighbours in another set.</summary>
/// <param name="Index">Position of the nearest image.</param>
/// <param name="Distance">Euclidean distance to it, pixels counted from 0 to 1.</param>
/// <param name="SecondDistance">Distance to the second nearest; infinite in a set of one image.</param>
public readonly record struct NearestImage(int Index, double Distance, double SecondDistance)
{
    /// <summary>Distance over second distance, 0 to 1: a copy of one image lies much nearer to it than to all others. 1 where both are 0.</summary>
    public double Ratio => SecondDistance == 0 ? 1 : Distance / SecondDistance;
}

/// <summary>Plain measures of generated images that need no network: how varied they are, and whether they copy the training set.</summary>
public static class SampleQuality
{
    // Longest run of pixels between two looks at the best distance so far.
    private const int Stretch = 256;

    /// <summary>
    /// Mean over the classes of the total pixel variance around the class mean (unbiased; pixels counted from 0 to 1). Classes of fewer
    /// than two images are left out. Low values mean that a class has collapsed to few images.
    /// </summary>
    /// <exception cref="ArgumentException">No class has two images.</exception>
    public static double WithinClassVariance(ImageDataset images)
    {
        int[] counts = new int[images.ClassCount];
        long[] sums = new long[checked(images.ClassCount * images.RowLength)];
        double[] squares = new double[images.ClassCount];
        for (int i = 0; i < images.Count; i++)
        {
            int label = images.Labels.Span[i], offset = label * images.RowLength;
            ReadOnlySpan<byte> row = images.Row(i);
            long square = 0;
            for (int p = 0; p < row.Length; p++)
            {
                sums[offset + p] += row[p];
                square += row[p] * row[p];
            }
            counts[label]++;
            squares[label] += square;
        }

        double total = 0;
        int classes = 0;
        for (int label = 0; label < counts.Length; label++)
        {
            if (counts[label] < 2) continue;
            double ofMean = 0;
            for (int p = 0; p < images.RowLength; p++) ofMean += (double)sums[label * images.RowLength + p] * sums[label * images.RowLength + p];
            total += (squares[label] - ofMean / counts[label]) / (counts[label] - 1);
            classes++;
        }
        return classes > 0
            ? total / classes / (255.0 * 255.0)
            : throw new ArgumentException($"The variance within a class needs two images of one class; got {images.Count} images of {images.ClassCount} classes.");
    }

    /// <summary>For each image, its two nearest neighbours in <paramref name="reference"/> by pixel distance; every pair is compared.</summary>
    /// <param name="images">Images to look up.</param>
    /// <param name="reference">The training set, say.</param>
    /// <param name="threads">Threads; 0 takes one per processor. Results do not depend on it.</param>
    /// <param name="cancellation">Checked between images.</param>
    /// <exception cref="ArgumentException">The sets have images of different sizes, or the reference is empty.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static NearestImage[] NearestNeighbours(ImageDataset images, ImageDataset reference, int threads = 0, CancellationToken cancellation = default)
    {
        if ((images.Height, images.Width, images.Channels) != (reference.Height, reference.Width, reference.Channels))
            throw new ArgumentException(
                $"Only images of one size have a distance; these are {images.Height}x{images.Width}x{images.Channels} and {reference.Height}x{reference.Width}x{reference.Channels}.");
        if (reference.Count == 0) throw new ArgumentException("The reference set has no images.");
        if (images.RowLength > int.MaxValue / (255 * 255))
            throw new ArgumentException($"Images of {images.RowLength} values are too large to be compared; the most is {int.MaxValue / (255 * 255)}.");
        var result = new NearestImage[images.Count];
        var options = new ParallelOptions { CancellationToken = cancellation, MaxDegreeOfParallelism = threads == 0 ? Environment.ProcessorCount : threads };
        Parallel.For(0, images.Count, options, i => result[i] = Nearest(images.Row(i), reference));
        return result;
    }

    private static NearestImage Nearest(ReadOnlySpan<byte> image, ImageDataset reference)
    {
        int best = int.MaxValue, second = int.MaxValue, index = -1;
        for (int r = 0; r < reference.Count; r++)
        {
            int distance = SquaredDistance(image, reference.Row(r), second);
            if (distance >= second) continue;
            if (distance < best) (second, best, index) = (best, distance, r);
            else second = distance;
        }
        return new NearestImage(index, Math.Sqrt(best) / 255, second == int.MaxValue ? double.PositiveInfinity : Math.Sqrt(second) / 255);
    }

    /// <summary>Sum of squared differences, or something at least <paramref name="limit"/> once that is reached.</summary>
    internal static int SquaredDistance(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b, int limit)
    {
        int sum = 0;
        for (int start = 0; start < a.Length && sum < limit; start += Stretch)
        {
            int length = Math.Min(Stretch, a.Length - start);
            sum += SquaredDistance(a.Slice(start, length), b.Slice(start, length));
        }
        return sum;
    }

    private static int SquaredDistance(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        int sum = 0, i = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            ref byte x = ref MemoryMarshal.GetReference(a), y = ref MemoryMarshal.GetReference(b);
            var total = Vector256<uint>.Zero;
            for (; i + Vector256<byte>.Count <= a.Length; i += Vector256<byte>.Count)
            {
                Vector256<byte> u = Vector256.LoadUnsafe(ref x, (nuint)i), v = Vector256.LoadUnsafe(ref y, (nuint)i);
                var (low, high) = Vector256.Widen(Vector256.Max(u, v) - Vector256.Min(u, v));
                // 255^2 fits into 16 bits.
                var (first, next) = Vector256.Widen(low * low);
                var (third, last) = Vector256.Widen(high * high);
                total += first + next + (third + last);
            }
            sum = (int)Vector256.Sum(total);
        }
        for (; i < a.Length; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
        return sum;
    }
}
