using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

/// <summary>Takes one half of the channels out of pixels that have twice as many: prediction or variance of a network that learns both.</summary>
internal static unsafe class ChannelHalf
{
    // Up to so many channels, 16 consecutive values of one half lie within 32 of both, or nearly so.
    private const int MostPermuted = 4;

    // Slots of 16 positions for each number of channels: of the first and of the second half in a run of 32 values; with 3 channels, whose pixels
    // do not divide 16, of one half in a run that starts with its channel 0, 1 or 2.
    private static readonly int[] Positions =
    [
        .. from channels in Enumerable.Range(1, MostPermuted)
           from slot in Enumerable.Range(0, 3)
           from lane in Enumerable.Range(0, 16)
           let value = channels == 3 ? lane + slot : lane
           select 2 * channels * (value / channels) + value % channels + slot * (channels == 3 ? -1 : channels),
    ];

    /// <summary>
    /// Copies <paramref name="count"/> values, whole pixels of <paramref name="channels"/>, to <paramref name="destination"/>, which has room for
    /// 4 more.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Copy(float* source, int count, int channels, bool second, float* destination)
    {
        int done = 0, skipped = second ? channels : 0;
        if (Avx512F.IsSupported && channels <= MostPermuted)
            fixed (int* positions = &Positions[3 * 16 * (channels - 1)])
                done = channels == 3
                    ? CopyThrees(source + skipped, count - (second ? 2 : 0), positions, destination)
                    : CopyPermuted(source, count, Vector512.Load(positions + (second ? 16 : 0)), destination);
        else if (channels == 1)
            for (; done <= count - 8; done += 8)
            {
                Vector256<ulong> low = Vector256.Load(source + 2 * done).AsUInt64(), high = Vector256.Load(source + 2 * done + 8).AsUInt64();
                Vector256.Narrow(low >>> (32 * skipped), high >>> (32 * skipped)).AsSingle().Store(destination + done);
            }
        // Copies of 4 floats run over into the next pixel, which is written after them; the last may have no next one.
        float* from = source + skipped;
        for (int run = (channels + 3) & ~3; 2 * done + skipped + run <= 2 * count; done += channels)
            for (nint c = 0; c < channels; c += 4)
                Vector128.Load(from + 2 * done + c).Store(destination + done + c);
        for (; done < count; done += channels)
            for (int c = 0; c < channels; c++)
                destination[done + c] = from[2 * done + c];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int CopyPermuted(float* source, int count, Vector512<int> positions, float* destination)
    {
        nint done = 0;
        for (; done <= count - 16; done += 16) Take(source + 2 * done, positions).Store(destination + done);
        return (int)done;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int CopyThrees(float* source, int count, int* positions, float* destination)
    {
        Vector512<int> from0 = Vector512.Load(positions), from1 = Vector512.Load(positions + 16), from2 = Vector512.Load(positions + 32);
        nint done = 0;
        for (; done <= count - 48; done += 48)
        {
            Take(source + 2 * done, from0).Store(destination + done);
            Take(source + 2 * done + 31, from1).Store(destination + done + 16);
            Take(source + 2 * done + 62, from2).Store(destination + done + 32);
        }
        return (int)done;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Take(float* source, Vector512<int> positions) =>
        Avx512F.PermuteVar16x32x2(Vector512.Load(source), positions, Vector512.Load(source + 16));
}
