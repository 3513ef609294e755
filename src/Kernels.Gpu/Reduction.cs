using ILGPU;

namespace NativeDiffusion.Kernels;

/// <summary>
/// Sums and maxima over neighbouring threads, as trees in shared memory. All threads of the group call them together; all that share a result
/// receive it. Their number is a power of two.
/// </summary>
internal static class Reduction
{
    public static float Sum(ArrayView<float> shared, float value, int lanes)
    {
        int thread = Group.IdxX, lane = thread % lanes;
        // Someone may still be reading the result of the call before.
        Group.Barrier();
        shared[thread] = value;
        Group.Barrier();
        for (int half = lanes / 2; half > 0; half /= 2)
        {
            if (lane < half) shared[thread] += shared[thread + half];
            Group.Barrier();
        }
        return shared[thread - lane];
    }

    public static float Max(ArrayView<float> shared, float value, int lanes)
    {
        int thread = Group.IdxX, lane = thread % lanes;
        Group.Barrier();
        shared[thread] = value;
        Group.Barrier();
        for (int half = lanes / 2; half > 0; half /= 2)
        {
            if (lane < half) shared[thread] = LanesScalar.Max(new(shared[thread]), new(shared[thread + half])).Value;
            Group.Barrier();
        }
        return shared[thread - lane];
    }

    /// <summary>The sum over the whole group.</summary>
    public static double Sum(ArrayView<double> shared, double value)
    {
        int thread = Group.IdxX;
        Group.Barrier();
        shared[thread] = value;
        Group.Barrier();
        for (int half = GpuKernels.GroupSize / 2; half > 0; half /= 2)
        {
            if (thread < half) shared[thread] += shared[thread + half];
            Group.Barrier();
        }
        return shared[0];
    }
}

/// <summary>Rows of a matrix, each for a few neighbouring threads of a group, which take every so many elements of it.</summary>
internal struct RowTile
{
    public long Rows;

    /// <summary>Elements of a row, and the threads that share it, a power of two.</summary>
    public int Width, Lanes;

    public static RowTile Of(long rows, int width)
    {
        int lanes = 8;
        while (lanes < GpuKernels.GroupSize && lanes * 8 < width) lanes *= 2;
        return new RowTile { Rows = rows, Width = width, Lanes = lanes };
    }

    /// <summary>Groups of threads.</summary>
    public readonly long Groups => (Rows + GpuKernels.GroupSize / Lanes - 1) / (GpuKernels.GroupSize / Lanes);

    /// <summary>The thread's row; it may lie beyond the last.</summary>
    public readonly long Row => (long)Grid.IdxX * (GpuKernels.GroupSize / Lanes) + Group.IdxX / Lanes;

    public readonly int Lane => Group.IdxX % Lanes;

    /// <summary>The row's length, or 0 for a thread that has no row but takes part in the barriers.</summary>
    public readonly int Length => Row < Rows ? Width : 0;
}
