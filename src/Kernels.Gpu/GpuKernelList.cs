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
    // Every combination that products and attention are started with; the kernels of element-wise ops and all others are found by reflection.
    private static readonly Type[] Combinations =
    [
        typeof(GemmKernel<RowsOperand, RowsOperand, MatrixResult>),
        typeof(GemmKernel<RowsOperand, ColumnsOperand, MatrixResult>),
        typeof(GemmKernel<ColumnsOperand, ColumnsOperand, MatrixResult>),
        typeof(GemmKernel<WindowOperand, RowsOperand, ConvResult>),
        typeof(GemmKernel<GradWindowOperand, TapsOperand, MatrixResult>),
        typeof(GemmKernel<ColumnsOperand, WindowColumnsOperand, MatrixResult>),
        typeof(GemmKernel<ColumnsOperand, WindowColumnsOperand, SlicesResult>),
        typeof(AttentionForwardKernel<AttentionWidth64>),
        typeof(AttentionForwardKernel<AttentionWidth128>),
        typeof(AttentionForwardKernel<AttentionWidth256>),
        typeof(AttentionQueryGradKernel<AttentionWidth64>),
        typeof(AttentionQueryGradKernel<AttentionWidth128>),
        typeof(AttentionQueryGradKernel<AttentionWidth256>),
        typeof(AttentionKeyGradKernel<AttentionWidth64>),
        typeof(AttentionKeyGradKernel<AttentionWidth128>),
    ];

    /// <summary>Compiles every kernel.</summary>
    /// <param name="architecture">sm_80, sm_90 and the like.</param>
    /// <returns>Name and PTX, one kernel after the other.</returns>
    /// <exception cref="GpuException">No such architecture.</exception>
    public static IEnumerable<(string Name, string Ptx)> Compile(string architecture)
    {
        if (!architecture.StartsWith("sm_", StringComparison.Ordinal) || !int.TryParse(architecture.AsSpan(3), out int number) || number is < 50 or > 99)
            throw new GpuException($"An architecture is sm_80, sm_90 or the like; got '{architecture}'.");
        return Compile(new CudaArchitecture(number / 10, number % 10));
    }

    /// <summary>The types of all kernels.</summary>
    internal static IEnumerable<Type> Types()
    {
        var types = typeof(GpuKernels).Assembly.GetTypes().Where(t => t.IsValueType && typeof(IGpuKernel).IsAssignableFrom(t)).ToArray();
        var formulas = typeof(CpuKernels).Assembly.GetTypes().Concat(typeof(GpuKernels).Assembly.GetTypes()).Where(t => t.IsValueType && !t.IsGenericType).ToArray();
        foreach (var type in types.Where(t => !t.IsGenericTypeDefinition)) yield return type;
        foreach (var type in types.Where(t => t.IsGenericTypeDefinition))
        {
            var constraint = type.GetGenericArguments()[0].GetGenericParameterConstraints();
            foreach (var formula in new[] { typeof(IUnaryFormula), typeof(IBinaryFormula) }.Where(constraint.Contains))
                foreach (var argument in formulas.Where(formula.IsAssignableFrom)) yield return type.MakeGenericType(argument);
        }
        foreach (var type in Combinations) yield return type;
    }

    private static IEnumerable<(string Name, string Ptx)> Compile(CudaArchitecture architecture)
    {
        using var context = Context.Create(b => b.Optimize(OptimizationLevel.O2));
        using var backend = new PTXBackend(context, architecture, CudaInstructionSet.ISA_78, null!);
        var entry = typeof(GpuEntry).GetMethod(nameof(GpuEntry.Run), BindingFlags.Public | BindingFlags.Static)!;
        foreach (var type in Types())
        {
            var description = EntryPointDescription.FromExplicitlyGroupedKernel(entry.MakeGenericMethod(type));
            var compiled = (PTXCompiledKernel)backend.Compile(description, new KernelSpecialization(GpuEntry.ThreadsOf(type), 1));
            yield return (Name(type), compiled.PTXAssembly);
        }
    }

    private static string Name(Type type) => !type.IsGenericType
        ? type.Name
        : string.Join("_", new[] { type.Name[..type.Name.IndexOf('`')] }.Concat(type.GetGenericArguments().Select(Name)));
}
