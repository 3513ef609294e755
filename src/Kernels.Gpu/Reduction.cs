using ILGPU;

namespace NativeDiffusion.Kernels;

/// <summary>How two partial results become one.</summary>
internal interface IJoin<T>
    where T : unmanaged
{
    static abstract T Join(T a, T b);
}

/// <summary>Joins the threads' partial results as trees in shared memory. All threads of the group call these methods together.</summary>
internal static class Reduction
{
    /// <summary>
    /// Thread t joins its result with that of thread t + half, if its <paramref name="lane"/> is below half; then again with half of that, until that was
    /// <paramref name="last"/>. What is left then stands in <paramref name="shared"/>.
    /// </summary>
    public static void Tree<T, TJoin>(ArrayView<T> shared, T value, int lane, int half, int last)
        where T : unmanaged
        where TJoin : struct, IJoin<T>
    {
        int thread = Group.IdxX;
        // Someone may still be reading the result of the call before.
        Group.Barrier();
        shared[thread] = value;
        Group.Barrier();
        for (; half >= last; half /= 2)
        {
            if (lane < half) shared[thread] = TJoin.Join(shared[thread], shared[thread + half]);
            Group.Barrier();
        }
    }

    /// <summary>The joined results of <paramref name="lanes"/> neighbouring threads, a power of two; each receives them.</summary>
    public static T Neighbours<T, TJoin>(ArrayView<T> shared, T value, int lanes)
        where T : unmanaged
        where TJoin : struct, IJoin<T>
    {
        int lane = Group.IdxX % lanes;
        Tree<T, TJoin>(shared, value, lane, lanes / 2, 1);
        return shared[Group.IdxX - lane];
    }

    public static float Sum(ArrayView<float> shared, float value, int lanes) => Neighbours<float, FloatSum>(shared, value, lanes);

    public static float Max(ArrayView<float> shared, float value, int lanes) => Neighbours<float, FloatMax>(shared, value, lanes);

    /// <summary>The sum over the whole group.</summary>
    public static double Sum(ArrayView<double> shared, double value) => Neighbours<double, DoubleSum>(shared, value, GpuKernels.GroupSize);

    private struct FloatSum : IJoin<float>
    {
        public static float Join(float a, float b) => a + b;
    }

    private struct FloatMax : IJoin<float>
    {
        public static float Join(float a, float b) => ScalarMath.Max(a, b);
    }

    private struct DoubleSum : IJoin<double>
    {
        public static double Join(double a, double b) => a + b;
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
