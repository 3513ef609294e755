using System.Reflection;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace NativeDiffusion.Kernels;

/// <summary>Compiles the kernels to PTX, the assembler language of NVIDIA GPUs, without such a GPU.</summary>
public static class GpuKernelList
{
    /// <summary>Compiles every kernel that the architecture has the instructions for.</summary>
    /// <param name="architecture">sm_80, sm_90 and the like.</param>
    /// <returns>Name and PTX, one kernel after the other.</returns>
    /// <exception cref="DeviceException">No such architecture.</exception>
    public static IEnumerable<(string Name, string Ptx)> Compile(string architecture)
    {
        if (!architecture.StartsWith("sm_", StringComparison.Ordinal) || !int.TryParse(architecture.AsSpan(3), out int number) || number is < 50 or > 99)
            throw new DeviceException($"An architecture is sm_80, sm_90 or the like; got '{architecture}'.");
        return Compile(new CudaArchitecture(number / 10, number % 10));
    }

    private static IEnumerable<(string Name, string Ptx)> Compile(CudaArchitecture architecture)
    {
        using var context = Context.Create(b => b.Optimize(OptimizationLevel.O2));
        using var backend = new PTXBackend(context, architecture, CudaInstructionSet.ISA_78, null!);
        var entry = typeof(GpuEntry).GetMethod(nameof(GpuEntry.Run), BindingFlags.Public | BindingFlags.Static)!;
        var specialization = typeof(GpuEntry).GetMethod(nameof(GpuEntry.Specialization), BindingFlags.Public | BindingFlags.Static)!;
        foreach (var type in GpuKernelTypes.All.Where(type => architecture >= CudaArchitecture.SM_80 || !GpuKernelTypes.NeedsTensorCores(type)))
        {
            var description = EntryPointDescription.FromExplicitlyGroupedKernel(entry.MakeGenericMethod(type));
            var compiled = (PTXCompiledKernel)backend.Compile(description, (KernelSpecialization)specialization.MakeGenericMethod(type).Invoke(null, null)!);
            yield return (GpuKernelTypes.Name(type), compiled.PTXAssembly);
        }
    }
}
