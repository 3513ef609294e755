using ILGPU;
using ILGPU.Runtime;

namespace NativeDiffusion.Kernels;

/// <summary>How kernels come to a device: on its default stream, compiled by ILGPU.</summary>
internal class GpuLauncher(Accelerator accelerator) : IDisposable
{
    /// <summary>Where launches and copies stand in line.</summary>
    public virtual AcceleratorStream Stream => accelerator.DefaultStream;

    /// <summary>Whether <see cref="Capture"/> works.</summary>
    public virtual bool Captures => false;

    /// <summary>Compiles a kernel.</summary>
    public virtual Action<KernelConfig, TKernel> Load<TKernel>()
        where TKernel : struct, IGpuKernel => accelerator.LoadStreamKernel<TKernel>(GpuEntry.Run, GpuEntry.Specialization<TKernel>());

    /// <summary>Notes the launches of a call instead of running them.</summary>
    /// <exception cref="CaptureRefusedException">The driver refuses, with its reason.</exception>
    public virtual ILaunchGraph Capture(Action launches) => throw new NotSupportedException();

    /// <summary>Frees what it has beside the accelerator's own.</summary>
    public virtual void Dispose() => GC.SuppressFinalize(this);
}

/// <summary>A driver that does not capture launches. The device goes on working without.</summary>
internal sealed class CaptureRefusedException(string message, Exception? cause = null) : Exception(message, cause);
