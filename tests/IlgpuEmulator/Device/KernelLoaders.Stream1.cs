namespace ILGPU.Runtime;

public static partial class KernelLoaders
{
    public static Action<KernelConfig, T1> LoadStreamKernel<T1>(
        this Accelerator accelerator,
        Action<T1> action)
        where T1 : struct
    {
        var load = accelerator.LoadKernel(action);
        return (config, p1) => load(accelerator.DefaultStream, config, p1);
    }

    public static Action<KernelConfig, T1> LoadStreamKernel<T1>(
        this Accelerator accelerator,
        Action<T1> action,
        KernelSpecialization specialization)
        where T1 : struct => accelerator.LoadStreamKernel(action);

    public static Action<KernelConfig, T1, T2> LoadStreamKernel<T1, T2>(
        this Accelerator accelerator,
        Action<T1, T2> action)
        where T1 : struct where T2 : struct
    {
        var load = accelerator.LoadKernel(action);
        return (config, p1, p2) => load(accelerator.DefaultStream, config, p1, p2);
    }

    public static Action<KernelConfig, T1, T2> LoadStreamKernel<T1, T2>(
        this Accelerator accelerator,
        Action<T1, T2> action,
        KernelSpecialization specialization)
        where T1 : struct where T2 : struct => accelerator.LoadStreamKernel(action);

    public static Action<KernelConfig, T1, T2, T3> LoadStreamKernel<T1, T2, T3>(
        this Accelerator accelerator,
        Action<T1, T2, T3> action)
        where T1 : struct where T2 : struct where T3 : struct
    {
        var load = accelerator.LoadKernel(action);
        return (config, p1, p2, p3) => load(accelerator.DefaultStream, config, p1, p2, p3);
    }

    public static Action<KernelConfig, T1, T2, T3> LoadStreamKernel<T1, T2, T3>(
        this Accelerator accelerator,
        Action<T1, T2, T3> action,
        KernelSpecialization specialization)
        where T1 : struct where T2 : struct where T3 : struct => accelerator.LoadStreamKernel(action);

    public static Action<KernelConfig, T1, T2, T3, T4> LoadStreamKernel<T1, T2, T3, T4>(
        this Accelerator accelerator,
        Action<T1, T2, T3, T4> action)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct
    {
        var load = accelerator.LoadKernel(action);
        return (config, p1, p2, p3, p4) => load(accelerator.DefaultStream, config, p1, p2, p3, p4);
    }

    public static Action<KernelConfig, T1, T2, T3, T4> LoadStreamKernel<T1, T2, T3, T4>(
        this Accelerator accelerator,
        Action<T1, T2, T3, T4> action,
        KernelSpecialization specialization)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct => accelerator.LoadStreamKernel(action);

    public static Action<KernelConfig, T1, T2, T3, T4, T5> LoadStreamKernel<T1, T2, T3, T4, T5>(
        this Accelerator accelerator,
        Action<T1, T2, T3, T4, T5> action)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
    {
        var load = accelerator.LoadKernel(action);
        return (config, p1, p2, p3, p4, p5) => load(accelerator.DefaultStream, config, p1, p2, p3, p4, p5);
    }

    public static Action<KernelConfig, T1, T2, T3, T4, T5> LoadStreamKernel<T1, T2, T3, T4, T5>(
        this Accelerator accelerator,
        Action<T1, T2, T3, T4, T5> action,
        KernelSpecialization specialization)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct => accelerator.LoadStreamKernel(action);

    public static Action<KernelConfig, T1, T2, T3, T4, T5, T6> LoadStreamKernel<T1, T2, T3, T4, T5, T6>(
        this Accelerator accelerator,
        Action<T1, T2, T3, T4, T5, T6> action)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct
    {
        var load = accelerator.LoadKernel(action);
        return (config, p1, p2, p3, p4, p5, p6) => load(accelerator.DefaultStream, config, p1, p2, p3, p4, p5, p6);
    }

    public static Action<KernelConfig, T1, T2, T3, T4, T5, T6> LoadStreamKernel<T1, T2, T3, T4, T5, T6>(
        this Accelerator accelerator,
        Action<T1, T2, T3, T4, T5, T6> action,
        KernelSpecialization specialization)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct => accelerator.LoadStreamKernel(action);

    public static Action<KernelConfig, T1, T2, T3, T4, T5, T6, T7> LoadStreamKernel<T1, T2, T3, T4, T5, T6, T7>(
        this Accelerator accelerator,
        Action<T1, T2, T3, T4, T5, T6, T7> action)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct
    {
        var load = accelerator.LoadKernel(action);
        return (config, p1, p2, p3, p4, p5, p6, p7) => load(accelerator.DefaultStream, config, p1, p2, p3, p4, p5, p6, p7);
    }

    public static Action<KernelConfig, T1, T2, T3, T4, T5, T6, T7> LoadStreamKernel<T1, T2, T3, T4, T5, T6, T7>(
        this Accelerator accelerator,
        Action<T1, T2, T3, T4, T5, T6, T7> action,
        KernelSpecialization specialization)
        where T1 : struct where T2 : struct where T3 : struct where T4 : struct where T5 : struct
        where T6 : struct where T7 : struct => accelerator.LoadStreamKernel(action);
}
