using System.Reflection;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace NativeDiffusion.Kernels;

/// <summary>CUDA: a stream of its own, as the default one cannot be captured; kernels from the cache of PTX; graphs by the driver.</summary>
internal sealed class CudaLauncher(CudaAccelerator accelerator, PtxCache? cache) : GpuLauncher(accelerator)
{
    private static readonly MethodInfo Entry = typeof(GpuEntry).GetMethod(nameof(GpuEntry.Run), BindingFlags.Public | BindingFlags.Static)!;
    private readonly CudaStream _stream = (CudaStream)accelerator.CreateStream();
    private readonly CudaGraphs _graphs = new();

    public override AcceleratorStream Stream => _stream;

    public override bool Captures => true;

    public override Action<KernelConfig, TKernel> Load<TKernel>()
    {
        var specialization = GpuEntry.Specialization<TKernel>();
        Action<AcceleratorStream, KernelConfig, TKernel> launch;
        if (cache is null) launch = accelerator.LoadKernel<TKernel>(GpuEntry.Run, specialization);
        else
        {
            var entry = EntryPointDescription.FromExplicitlyGroupedKernel(Entry.MakeGenericMethod(typeof(TKernel)));
            var kernel = accelerator.LoadKernel(cache.Get(accelerator, typeof(TKernel), entry, specialization));
            launch = kernel.CreateLauncherDelegate<Action<AcceleratorStream, KernelConfig, TKernel>>();
        }
        return (config, arguments) => launch(_stream, config, arguments);
    }

    public override ILaunchGraph Capture(Action launches) => _graphs.Capture(_stream.StreamPtr, launches);

    public override void Dispose()
    {
        _stream.Dispose();
        base.Dispose();
    }
}
