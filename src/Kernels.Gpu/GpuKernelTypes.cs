using System.Reflection;

namespace NativeDiffusion.Kernels;

/// <summary>
/// The types of all kernels, as <see cref="GpuKernels"/> starts them and no others (a test compares). Found by reflection: kernels that are not
/// generic, and those with one type parameter for every struct of this namespace that fits it. The rest is listed here.
/// </summary>
internal static class GpuKernelTypes
{
    private static readonly Type[] Products =
    [
        typeof(GemmKernel<RowsOperand, RowsOperand, MatrixResult>),
        typeof(GemmKernel<RowsOperand, ColumnsOperand, MatrixResult>),
        typeof(GemmKernel<ColumnsOperand, ColumnsOperand, MatrixResult>),
        typeof(GemmKernel<WindowRowsOperand<ForwardTaps>, RowsOperand, ConvResult>),
        typeof(GemmKernel<WindowRowsOperand<GradientTaps>, TapsOperand, MatrixResult>),
        typeof(GemmKernel<ColumnsOperand, WindowColumnsOperand, MatrixResult>),
        typeof(GemmKernel<ColumnsOperand, WindowColumnsOperand, SlicesResult>),
    ];

    private static readonly Type[] Combinations =
    [
        .. Products.SelectMany(InEveryArithmetic),
        typeof(ColumnSumsKernel<PlainTerm, PlainResult>),
        typeof(ColumnSumsKernel<PairTerm, VectorsResult>),
        typeof(ColumnSumsKernel<PairTerm, GroupNormRowResult>),
        typeof(ColumnSumsKernel<GroupNormGradientTerm, PairResult>),
        typeof(ColumnSumsKernel<GroupNormRowTerm, VectorsResult>),
        typeof(ColumnSumsKernel<GatedAddTerm, PairResult>),
        typeof(ColumnSumsKernel<LayerNormGradientTerm, PairResult>),
        typeof(ColumnSumsKernel<GatedAddTerm, VectorsResult>),
        typeof(ColumnSumsKernel<LayerNormGradientTerm, VectorsResult>),
        typeof(PartSumsKernel<SquareTerm>),
        typeof(PartSumsKernel<MsePair>),
        typeof(PartSumsKernel<VariationalBoundTerm>),
        typeof(TotalKernel<PartTerm>),
        typeof(TotalKernel<WeightedTerm>),
        // Not for heads of 256: two results of that width have no room in a thread's registers.
        typeof(AttentionKeyGradKernel<AttentionWidth64>),
        typeof(AttentionKeyGradKernel<AttentionWidth128>),
    ];

    /// <exception cref="InvalidOperationException">A kernel has several type parameters and no combination in the list.</exception>
    public static IEnumerable<Type> All
    {
        get
        {
            var structs = new[] { typeof(CpuKernels).Assembly, typeof(GpuKernels).Assembly }.SelectMany(assembly => assembly.GetTypes())
                .Where(t => t.IsValueType && t.Namespace == typeof(GpuKernels).Namespace).ToArray();
            foreach (var kernel in structs.Where(typeof(IGpuKernel).IsAssignableFrom))
            {
                if (!kernel.IsGenericTypeDefinition) yield return kernel;
                else foreach (var combination in CombinationsOf(kernel, structs)) yield return combination;
            }
        }
    }

    /// <summary>Whether a kernel runs only on CUDA devices of architecture 8.0 and later.</summary>
    public static bool NeedsTensorCores(Type kernel) => kernel.IsGenericType && kernel.GetGenericTypeDefinition() == typeof(TensorCoreGemmKernel<,,,>);

    /// <summary>The type's name, for a generic one followed by its arguments.</summary>
    public static string Name(Type type) => !type.IsGenericType
        ? type.Name
        : string.Join("_", new[] { type.Name[..type.Name.IndexOf('`')] }.Concat(type.GetGenericArguments().Select(Name)));

    /// <summary>A product of factors as they are, and of rounded ones with and without tensor cores.</summary>
    private static IEnumerable<Type> InEveryArithmetic(Type product)
    {
        yield return product;
        Type[] parts = product.GetGenericArguments();
        foreach (var format in new[] { typeof(Tf32Format), typeof(Bf16Format) })
        {
            Type Rounded(Type operand) => typeof(RoundedOperand<,>).MakeGenericType(operand, format);
            yield return typeof(GemmKernel<,,>).MakeGenericType(Rounded(parts[0]), Rounded(parts[1]), parts[2]);
            yield return typeof(TensorCoreGemmKernel<,,,>).MakeGenericType([.. parts, format]);
        }
    }

    private static Type[] CombinationsOf(Type kernel, Type[] structs)
    {
        var listed = Combinations.Where(t => t.GetGenericTypeDefinition() == kernel).ToArray();
        if (listed.Length > 0) return listed;
        Type[] parameters = kernel.GetGenericArguments();
        Type[] contracts = [.. parameters[0].GetGenericParameterConstraints().Where(t => t.IsInterface)];
        if (parameters.Length > 1 || contracts.Length != 1)
            throw new InvalidOperationException($"List what {kernel.Name} is started with in {nameof(GpuKernelTypes)}: it has not just one parameter with one interface.");
        // Nested ones are the CPU backend's own.
        return [.. structs.Where(t => !t.IsNested && !t.IsGenericTypeDefinition && contracts[0].IsAssignableFrom(t)).Select(t => kernel.MakeGenericType(t))];
    }
}
