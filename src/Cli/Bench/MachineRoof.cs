using System.Diagnostics;
using System.Runtime.CompilerServices;
using NativeDiffusion.Kernels;

namespace NativeDiffusion.Cli.Bench;

/// <summary>
/// What this machine can do at most with a number of threads, measured: multiply-adds in registers, and copying memory that no cache holds.
/// The best of several tries, as disturbance only ever slows them down. For another device see <see cref="DeviceRoof"/>.
/// </summary>
/// <param name="Threads">Threads that were used; null for another device.</param>
/// <param name="GflopsPerS">Peak of fused multiply-adds, two operations each; of a device, what a large product reaches.</param>
/// <param name="CopyGbPerS">Bytes read and written per second.</param>
internal sealed record MachineRoof(int? Threads, double GflopsPerS, double CopyGbPerS)
{
    private const int Tries = 12, ItemsPerThread = 4, Accumulators = 12, Turns = 50_000;
    private const int CopyFloats = 16 << 20;

    /// <summary>Measures with the threads of <paramref name="kernels"/>, in less than a second.</summary>
    public static MachineRoof Measure(CpuKernels kernels) => new(kernels.Threads, MultiplyAddPeak(kernels), CopyPeak(kernels));

    /// <summary>Share of the roof that a computation reached, from 0 to 1; more where caches or a faster algorithm than the textbook's helped.</summary>
    /// <param name="flops">Its operations.</param>
    /// <param name="bytes">What it reads and writes.</param>
    /// <param name="seconds">Its time.</param>
    public double Share(double flops, double bytes, double seconds) => Math.Max(FlopSeconds(flops), CopySeconds(bytes)) / seconds;

    /// <summary>Whether arithmetic, and not memory, limits a computation.</summary>
    /// <param name="flops">Its operations.</param>
    /// <param name="bytes">What it reads and writes.</param>
    public bool LimitedByArithmetic(double flops, double bytes) => FlopSeconds(flops) > CopySeconds(bytes);

    /// <summary>Copies by the threads of a pool, a part each: the fastest way that the system's own copy has for parts of this size.</summary>
    public static unsafe void Copy(CpuKernels kernels, TensorView source, TensorView destination)
    {
        var job = new CopyJob { Source = source.Pointer, Destination = destination.Pointer, Count = source.Count, Parts = kernels.Threads };
        kernels.Pool.Run(ref job, job.Parts);
    }

    private double FlopSeconds(double flops) => flops / (GflopsPerS * 1e9);

    private double CopySeconds(double bytes) => bytes / (CopyGbPerS * 1e9);

    private static double MultiplyAddPeak(CpuKernels kernels) => CpuKernels.LaneCount switch
    {
        16 => MultiplyAddPeak<Lanes512>(kernels),
        8 => MultiplyAddPeak<Lanes256>(kernels),
        _ => MultiplyAddPeak<Lanes128>(kernels),
    };

    private static unsafe double MultiplyAddPeak<V>(CpuKernels kernels)
        where V : unmanaged, ILanes<V>
    {
        int items = ItemsPerThread * kernels.Threads;
        float* sums = stackalloc float[16];
        var job = new MultiplyAddJob<V> { Sums = sums };
        double seconds = Best(() => kernels.Pool.Run(ref job, items));
        return 2.0 * V.Count * Accumulators * Turns * items / seconds / 1e9;
    }

    private static double CopyPeak(CpuKernels kernels)
    {
        using DeviceMemory source = kernels.Allocate(CopyFloats), destination = kernels.Allocate(CopyFloats);
        TensorView x = new(source, 0, new Shape(CopyFloats)), y = new(destination, 0, new Shape(CopyFloats));
        double seconds = Math.Min(Best(() => Copy(kernels, x, y)), Best(() => ((IKernels)kernels).Copy(x, y)));
        return 2.0 * CopyFloats * sizeof(float) / seconds / 1e9;
    }

    private static double Best(Action work)
    {
        double best = double.MaxValue;
        for (int i = 0; i < Tries; i++)
        {
            long start = Stopwatch.GetTimestamp();
            work();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return best;
    }

    private unsafe struct CopyJob : IWorkerJob
    {
        public float* Source, Destination;
        public long Count;
        public int Parts;

        public readonly void Execute(int item, int worker)
        {
            long start = Count * item / Parts, end = Count * (item + 1) / Parts;
            Buffer.MemoryCopy(Source + start, Destination + start, (end - start) * sizeof(float), (end - start) * sizeof(float));
        }
    }

    /// <summary>More independent sums than any of these processors needs to hide the latency, few enough for 16 registers.</summary>
    private unsafe struct MultiplyAddJob<V> : IWorkerJob
        where V : unmanaged, ILanes<V>
    {
        public float* Sums;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public readonly void Execute(int item, int worker)
        {
            V half = V.Broadcast(0.5f), a = half, b = half, c = half, d = half, e = half, f = half, g = half, h = half, i = half, j = half, k = half, l = half;
            for (int turn = 0; turn < Turns; turn++)
            {
                a = V.MultiplyAdd(a, half, half);
                b = V.MultiplyAdd(b, half, half);
                c = V.MultiplyAdd(c, half, half);
                d = V.MultiplyAdd(d, half, half);
                e = V.MultiplyAdd(e, half, half);
                f = V.MultiplyAdd(f, half, half);
                g = V.MultiplyAdd(g, half, half);
                h = V.MultiplyAdd(h, half, half);
                i = V.MultiplyAdd(i, half, half);
                j = V.MultiplyAdd(j, half, half);
                k = V.MultiplyAdd(k, half, half);
                l = V.MultiplyAdd(l, half, half);
            }
            V sum = a + b + c + d + e + f + g + h + i + j + k + l;
            // Never true; the compiler does not know.
            if (V.Sum(sum) < 0) V.Store(Sums, sum);
        }
    }
}
