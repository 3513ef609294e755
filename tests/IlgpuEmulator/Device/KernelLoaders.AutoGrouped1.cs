using IlgpuEmulator;

namespace ILGPU.Runtime;

public static partial class KernelLoaders
{
    public static Action<AcceleratorStream, TIndex, T1> LoadAutoGroupedKernel<TIndex, T1>(
        this Accelerator accelerator,
        Action<TIndex, T1> action)
        where TIndex : struct, IIndex
        where T1 : struct
    {
        var launcher = accelerator.Load(action);
        return (stream, extent, p1) => launcher.LaunchElementwise(
            stream, extent, [new Argument<T1>(p1)]);
    }

    public static Action<TIndex, T1> LoadAutoGroupedStreamKernel<TIndex, T1>(
        this Accelerator accelerator,
        Action<TIndex, T1> action)
        where TIndex : struct, IIndex
        where T1 : struct
    {
        var load = accelerator.LoadAutoGroupedKernel(action);
        return (extent, p1) => load(accelerator.DefaultStream, extent, p1);
    }

    public static Action<AcceleratorStream, TIndex, T1, T2> LoadAutoGroupedKernel<TIndex, T1, T2>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct
    {
        var launcher = accelerator.Load(action);
        return (stream, extent, p1, p2) => launcher.LaunchElementwise(
            stream, extent, [new Argument<T1>(p1), new Argument<T2>(p2)]);
    }

    public static Action<TIndex, T1, T2> LoadAutoGroupedStreamKernel<TIndex, T1, T2>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct
    {
        var load = accelerator.LoadAutoGroupedKernel(action);
        return (extent, p1, p2) => load(accelerator.DefaultStream, extent, p1, p2);
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3> LoadAutoGroupedKernel<TIndex, T1, T2, T3>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct
    {
        var launcher = accelerator.Load(action);
        return (stream, extent, p1, p2, p3) => launcher.LaunchElementwise(
            stream, extent, [new Argument<T1>(p1), new Argument<T2>(p2), new Argument<T3>(p3)]);
    }

    public static Action<TIndex, T1, T2, T3> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct
    {
        var load = accelerator.LoadAutoGroupedKernel(action);
        return (extent, p1, p2, p3) => load(accelerator.DefaultStream, extent, p1, p2, p3);
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4> LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3, T4> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct
    {
        var launcher = accelerator.Load(action);
        return (stream, extent, p1, p2, p3, p4) => launcher.LaunchElementwise(
            stream, extent, [new Argument<T1>(p1), new Argument<T2>(p2), new Argument<T3>(p3), new Argument<T4>(p4)]);
    }

    public static Action<TIndex, T1, T2, T3, T4> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3, T4> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct
    {
        var load = accelerator.LoadAutoGroupedKernel(action);
        return (extent, p1, p2, p3, p4) => load(accelerator.DefaultStream, extent, p1, p2, p3, p4);
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5> LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4, T5>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3, T4, T5> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
    {
        var launcher = accelerator.Load(action);
        return (stream, extent, p1, p2, p3, p4, p5) => launcher.LaunchElementwise(
            stream, extent, [
                new Argument<T1>(p1), new Argument<T2>(p2), new Argument<T3>(p3), new Argument<T4>(p4),
                new Argument<T5>(p5)
            ]);
    }

    public static Action<TIndex, T1, T2, T3, T4, T5> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3, T4, T5> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
    {
        var load = accelerator.LoadAutoGroupedKernel(action);
        return (extent, p1, p2, p3, p4, p5) => load(accelerator.DefaultStream, extent, p1, p2, p3, p4, p5);
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6> LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3, T4, T5, T6> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct
    {
        var launcher = accelerator.Load(action);
        return (stream, extent, p1, p2, p3, p4, p5, p6) => launcher.LaunchElementwise(
            stream, extent, [
                new Argument<T1>(p1), new Argument<T2>(p2), new Argument<T3>(p3), new Argument<T4>(p4),
                new Argument<T5>(p5), new Argument<T6>(p6)
            ]);
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3, T4, T5, T6> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct
    {
        var load = accelerator.LoadAutoGroupedKernel(action);
        return (extent, p1, p2, p3, p4, p5, p6) => load(accelerator.DefaultStream, extent, p1, p2, p3, p4, p5, p6);
    }

    public static Action<AcceleratorStream, TIndex, T1, T2, T3, T4, T5, T6, T7> LoadAutoGroupedKernel<TIndex, T1, T2, T3, T4, T5, T6, T7>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3, T4, T5, T6, T7> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct
    {
        var launcher = accelerator.Load(action);
        return (stream, extent, p1, p2, p3, p4, p5, p6, p7) => launcher.LaunchElementwise(
            stream, extent, [
                new Argument<T1>(p1), new Argument<T2>(p2), new Argument<T3>(p3), new Argument<T4>(p4),
                new Argument<T5>(p5), new Argument<T6>(p6), new Argument<T7>(p7)
            ]);
    }

    public static Action<TIndex, T1, T2, T3, T4, T5, T6, T7> LoadAutoGroupedStreamKernel<TIndex, T1, T2, T3, T4, T5, T6, T7>(
        this Accelerator accelerator,
        Action<TIndex, T1, T2, T3, T4, T5, T6, T7> action)
        where TIndex : struct, IIndex
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct
    {
        var load = accelerator.LoadAutoGroupedKernel(action);
        return (extent, p1, p2, p3, p4, p5, p6, p7) => load(accelerator.DefaultStream, extent, p1, p2, p3, p4, p5, p6, p7);
    }
}
