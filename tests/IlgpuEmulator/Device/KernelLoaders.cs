using IlgpuEmulator;

namespace ILGPU.Runtime;

public static partial class KernelLoaders
{
    public static Action<KernelConfig, T1> LoadStreamKernel<T1>(this Accelerator accelerator, Action<T1> action)
        where T1 : struct
    {
        var launcher = accelerator.Load(action);
        return (config, p1) => launcher.Launch(config, [new Argument<T1>(p1)]);
    }

    public static Action<KernelConfig, T1> LoadStreamKernel<T1>(this Accelerator accelerator, Action<T1> action, KernelSpecialization specialization)
        where T1 : struct
    {
        var launcher = accelerator.Load(action, specialization.MaxNumThreadsPerGroup);
        return (config, p1) => launcher.Launch(config, [new Argument<T1>(p1)]);
    }

    public static Action<KernelConfig, T1, T2> LoadStreamKernel<T1, T2>(this Accelerator accelerator, Action<T1, T2> action)
        where T1 : struct
        where T2 : struct
    {
        var launcher = accelerator.Load(action);
        return (config, p1, p2) => launcher.Launch(config, [new Argument<T1>(p1), new Argument<T2>(p2)]);
    }

    public static Action<KernelConfig, T1, T2, T3> LoadStreamKernel<T1, T2, T3>(this Accelerator accelerator, Action<T1, T2, T3> action)
        where T1 : struct
        where T2 : struct
        where T3 : struct
    {
        var launcher = accelerator.Load(action);
        return (config, p1, p2, p3) => launcher.Launch(config, [new Argument<T1>(p1), new Argument<T2>(p2), new Argument<T3>(p3)]);
    }
}

public readonly struct KernelSpecialization
{
    public KernelSpecialization(int? maxNumThreadsPerGroup, int? minNumGroupsPerMultiprocessor)
    {
        MaxNumThreadsPerGroup = maxNumThreadsPerGroup;
        MinNumGroupsPerMultiprocessor = minNumGroupsPerMultiprocessor;
    }

    public int? MaxNumThreadsPerGroup { get; }

    public int? MinNumGroupsPerMultiprocessor { get; }
}
