using System.Diagnostics;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Cli.Bench;

/// <summary>
/// What a device other than the CPU reaches at most with the library's own kernels: a large matrix product, and a copy. Their sizes grow until a run
/// takes long enough to be timed, so that a slow simulation ends too.
/// </summary>
internal static class DeviceRoof
{
    private const int Tries = 5, SmallestProduct = 64, LargestProduct = 8192, SmallestCopy = 1 << 12, LargestCopy = 1 << 26;
    private const double LongEnoughSeconds = 0.02;

    public static MachineRoof Measure(IKernels kernels) => new(
        null,
        Rate(kernels, SmallestProduct, LargestProduct, (tensors, n) =>
        {
            var (x, weight, y) = (tensors.Allocate(new Shape(n, n)), tensors.Allocate(new Shape(n, n)), tensors.Allocate(new Shape(n, n)));
            return (2.0 * n * n * n, () => kernels.LinearForward(x, weight, default, y));
        }),
        Rate(kernels, SmallestCopy, LargestCopy, (tensors, n) =>
        {
            var (x, y) = (tensors.Allocate(new Shape(n)), tensors.Allocate(new Shape(n)));
            return (2.0 * n * sizeof(float), () => kernels.Copy(x, y));
        }));

    /// <summary>Billions per second of the work of the best run at the largest size.</summary>
    private static double Rate(IKernels kernels, int from, int to, Func<OwnedTensors, int, (double Work, Action Run)> prepare)
    {
        for (int size = from; ; size *= 2)
        {
            using var tensors = new OwnedTensors(kernels);
            var (work, run) = prepare(tensors, size);
            run();
            kernels.Synchronize();
            double best = double.MaxValue;
            for (int i = 0; i < Tries; i++)
            {
                long start = Stopwatch.GetTimestamp();
                run();
                kernels.Synchronize();
                best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
            }
            if (best > LongEnoughSeconds || size >= to) return work / best / 1e9;
        }
    }
}
