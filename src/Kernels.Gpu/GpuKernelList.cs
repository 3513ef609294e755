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
    // Older ones cannot run the kernels. Those of the future are not known to ILGPU, which would take any number.
    private static readonly CudaArchitecture[] Known = [.. typeof(CudaArchitecture).GetFields(BindingFlags.Public | BindingFlags.Static)
        .Where(field => field.FieldType == typeof(CudaArchitecture)).Select(field => (CudaArchitecture)field.GetValue(null)!)
        .Where(architecture => architecture.Major >= 5).Order()];

    /// <summary>The architectures that ILGPU knows and the kernels run on, sm_50 and so on, the oldest first.</summary>
    public static IReadOnlyList<string> Architectures { get; } = [.. Known.Select(Name)];

    /// <summary>Compiles every kernel that the architecture has the instructions for.</summary>
    /// <param name="architecture">One of <see cref="Architectures"/>. ILGPU writes <c>.target sm_80</c> for all that are newer, which their drivers take.</param>
    /// <returns>Name and PTX, one kernel after the other.</returns>
    /// <exception cref="DeviceException">No such architecture.</exception>
    public static IEnumerable<(string Name, string Ptx)> Compile(string architecture)
    {
        var target = Of(architecture);
        return Compile(target, GpuKernelTypes.All.Where(type => target >= CudaArchitecture.SM_80 || !GpuKernelTypes.NeedsTensorCores(type)));
    }

    /// <summary>The PTX of some kernels.</summary>
    internal static IEnumerable<(string Name, string Ptx)> Compile(string architecture, IEnumerable<Type> kernels) => Compile(Of(architecture), kernels);

    private static CudaArchitecture Of(string name)
    {
        int at = Known.AsSpan().IndexOf(Known.FirstOrDefault(architecture => Name(architecture) == name));
        return at >= 0 ? Known[at] : throw new DeviceException($"There is no architecture '{name}'; there are {string.Join(", ", Architectures)}.");
    }

    private static string Name(CudaArchitecture architecture) => $"sm_{architecture.Major}{architecture.Minor}";

    private static IEnumerable<(string Name, string Ptx)> Compile(CudaArchitecture architecture, IEnumerable<Type> kernels)
    {
        using var context = Context.Create(b => b.Optimize(OptimizationLevel.O2));
        using var backend = new PTXBackend(context, architecture, CudaInstructionSet.ISA_78, null!);
        var entry = typeof(GpuEntry).GetMethod(nameof(GpuEntry.Run), BindingFlags.Public | BindingFlags.Static)!;
        var specialization = typeof(GpuEntry).GetMethod(nameof(GpuEntry.Specialization), BindingFlags.Public | BindingFlags.Static)!;
        foreach (var type in kernels)
        {
            var description = EntryPointDescription.FromExplicitlyGroupedKernel(entry.MakeGenericMethod(type));
            var compiled = (PTXCompiledKernel)backend.Compile(description, (KernelSpecialization)specialization.MakeGenericMethod(type).Invoke(null, null)!);
            yield return (GpuKernelTypes.Name(type), compiled.PTXAssembly);
        }
    }
}
