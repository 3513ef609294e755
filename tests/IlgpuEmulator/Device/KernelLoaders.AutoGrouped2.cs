using IlgpuEmulator;

namespace ILGPU.Runtime;

public static partial class KernelLoaders
{
    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8>
        LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct
    {
        var launcher = accelerator.Load(action);
        return (stream, extent, p1, p2, p3, p4, p5, p6, p7, p8) => launcher.LaunchElementwise(
            stream, extent, [
                new Argument<T1>(p1), new Argument<T2>(p2), new Argument<T3>(p3), new Argument<T4>(p4),
                new Argument<T5>(p5), new Argument<T6>(p6), new Argument<T7>(p7), new Argument<T8>(p8)
            ]);
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct
    {
        var load = accelerator.LoadAutoGroupedKernel(action);
        return (extent, p1, p2, p3, p4, p5, p6, p7, p8) => load(accelerator.DefaultStream, extent, p1, p2, p3, p4, p5, p6, p7, p8);
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9>
        LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct
    {
        var launcher = accelerator.Load(action);
        return (stream, extent, p1, p2, p3, p4, p5, p6, p7, p8, p9) => launcher.LaunchElementwise(
            stream, extent, [
                new Argument<T1>(p1), new Argument<T2>(p2), new Argument<T3>(p3), new Argument<T4>(p4),
                new Argument<T5>(p5), new Argument<T6>(p6), new Argument<T7>(p7), new Argument<T8>(p8),
                new Argument<T9>(p9)
            ]);
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9>
        LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct
    {
        var load = accelerator.LoadAutoGroupedKernel(action);
        return (extent, p1, p2, p3, p4, p5, p6, p7, p8, p9) => load(accelerator.DefaultStream, extent, p1, p2, p3, p4, p5, p6, p7, p8, p9);
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10>
        LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
    {
        var launcher = accelerator.Load(action);
        return (stream, extent, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10) => launcher.LaunchElementwise(
            stream, extent, [
                new Argument<T1>(p1), new Argument<T2>(p2), new Argument<T3>(p3), new Argument<T4>(p4),
                new Argument<T5>(p5), new Argument<T6>(p6), new Argument<T7>(p7), new Argument<T8>(p8),
                new Argument<T9>(p9), new Argument<T10>(p10)
            ]);
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10>
        LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
    {
        var load = accelerator.LoadAutoGroupedKernel(action);
        return (extent, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10) => load(accelerator.DefaultStream, extent, p1, p2, p3, p4, p5, p6, p7,
            p8, p9, p10);
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11>
        LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct
    {
        var launcher = accelerator.Load(action);
        return (stream, extent, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11) => launcher.LaunchElementwise(
            stream, extent, [
                new Argument<T1>(p1), new Argument<T2>(p2), new Argument<T3>(p3), new Argument<T4>(p4),
                new Argument<T5>(p5), new Argument<T6>(p6), new Argument<T7>(p7), new Argument<T8>(p8),
                new Argument<T9>(p9), new Argument<T10>(p10), new Argument<T11>(p11)
            ]);
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11>
        LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct
    {
        var load = accelerator.LoadAutoGroupedKernel(action);
        return (extent, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11) => load(accelerator.DefaultStream, extent, p1, p2, p3, p4, p5, p6,
            p7, p8, p9, p10, p11);
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12>
        LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct where T12 : struct
    {
        var launcher = accelerator.Load(action);
        return (stream, extent, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12) => launcher.LaunchElementwise(
            stream, extent, [
                new Argument<T1>(p1), new Argument<T2>(p2), new Argument<T3>(p3), new Argument<T4>(p4),
                new Argument<T5>(p5), new Argument<T6>(p6), new Argument<T7>(p7), new Argument<T8>(p8),
                new Argument<T9>(p9), new Argument<T10>(p10), new Argument<T11>(p11), new Argument<T12>(p12)
            ]);
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12>
        LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct where T12 : struct
    {
        var load = accelerator.LoadAutoGroupedKernel(action);
        return (extent, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12) => load(accelerator.DefaultStream, extent, p1, p2, p3, p4, p5,
            p6, p7, p8, p9, p10, p11, p12);
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13>
        LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct where T12 : struct where T13 : struct
    {
        var launcher = accelerator.Load(action);
        return (stream, extent, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13) => launcher.LaunchElementwise(
            stream, extent, [
                new Argument<T1>(p1), new Argument<T2>(p2), new Argument<T3>(p3), new Argument<T4>(p4),
                new Argument<T5>(p5), new Argument<T6>(p6), new Argument<T7>(p7), new Argument<T8>(p8),
                new Argument<T9>(p9), new Argument<T10>(p10), new Argument<T11>(p11), new Argument<T12>(p12),
                new Argument<T13>(p13)
            ]);
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13>
        LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct where T12 : struct where T13 : struct
    {
        var load = accelerator.LoadAutoGroupedKernel(action);
        return (extent, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13) => load(accelerator.DefaultStream, extent, p1, p2, p3,
            p4, p5, p6, p7, p8, p9, p10, p11, p12, p13);
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14>
        LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct where T12 : struct where T13 : struct where T14 : struct
    {
        var launcher = accelerator.Load(action);
        return (stream, extent, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14) => launcher.LaunchElementwise(
            stream, extent, [
                new Argument<T1>(p1), new Argument<T2>(p2), new Argument<T3>(p3), new Argument<T4>(p4),
                new Argument<T5>(p5), new Argument<T6>(p6), new Argument<T7>(p7), new Argument<T8>(p8),
                new Argument<T9>(p9), new Argument<T10>(p10), new Argument<T11>(p11), new Argument<T12>(p12),
                new Argument<T13>(p13), new Argument<T14>(p14)
            ]);
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14>
        LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct where T8 : struct where T9 : struct where T10 : struct
        where T11 : struct where T12 : struct where T13 : struct where T14 : struct
    {
        var load = accelerator.LoadAutoGroupedKernel(action);
        return (extent, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14) => load(accelerator.DefaultStream, extent, p1, p2,
            p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14);
    }
}
