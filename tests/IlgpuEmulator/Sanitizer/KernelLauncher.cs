using ILGPU;
using ILGPU.Runtime;

namespace IlgpuEmulator;

/// <summary>A loaded kernel: checks the shape of each launch and runs it under the sanitizer.</summary>
internal sealed class KernelLauncher
{
    private readonly Accelerator _accelerator;
    private readonly Lazy<ResumableMethod> _method;
    private readonly string _name;

    internal KernelLauncher(Accelerator accelerator, Delegate kernel)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        _accelerator = accelerator;
        _name = KernelName.Of(kernel.Method);
        _method = new Lazy<ResumableMethod>(() => ResumableCompiler.Get(kernel.Method));
    }

    internal void Launch(AcceleratorStream stream, KernelConfig config, Argument[] arguments)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (!config.IsValid)
            throw Bad(SanitizerFinding.GroupSize, $"a grid of {config.GridDim} groups of {config.GroupDim} threads is empty");
        var limit = _accelerator.MaxGroupSize;
        if (config.GroupDim.LongSize > _accelerator.MaxNumThreadsPerGroup || !config.GroupDim.InBoundsInclusive(limit))
            throw Bad(
                SanitizerFinding.GroupSize,
                $"{config.GroupDim} = {config.GroupDim.LongSize} threads per group; the device allows " +
                $"{_accelerator.MaxNumThreadsPerGroup}, at most {limit} by dimension");
        if (!config.GridDim.InBoundsInclusive(_accelerator.MaxGridSize))
            throw Bad(SanitizerFinding.GroupSize, $"a grid of {config.GridDim}; the device allows {_accelerator.MaxGridSize}");
        if (config.SharedMemoryConfig.ArraySize > _accelerator.MaxSharedMemoryPerGroup)
            throw Bad(
                SanitizerFinding.SharedMemory,
                $"{config.SharedMemoryConfig.ArraySize} bytes of dynamic shared memory; a group has " +
                $"{_accelerator.MaxSharedMemoryPerGroup}");
        Run(new Launch
        {
            Name = _name,
            Kernel = _method.Value,
            Arguments = arguments,
            GridDim = config.GridDim,
            GroupDim = config.GroupDim,
            WarpSize = _accelerator.WarpSize,
            SharedLimit = _accelerator.MaxSharedMemoryPerGroup,
            DynamicBytes = config.SharedMemoryConfig.ArraySize,
        });
    }

    internal void LaunchElementwise<TIndex>(AcceleratorStream stream, TIndex extent, Argument[] arguments)
        where TIndex : struct, IIndex
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (extent.Size == 0)
            return;
        Index3D whole = extent switch
        {
            Index1D one => new Index3D(one.X, 1, 1),
            Index2D two => new Index3D(two.X, two.Y, 1),
            Index3D three => three,
            _ => throw Bad(SanitizerFinding.Misuse, $"an element-wise launch over {typeof(TIndex).Name}; use Index1D, 2D or 3D"),
        };
        if (whole.X < 0 || whole.Y < 0 || whole.Z < 0)
            throw Bad(SanitizerFinding.GroupSize, $"an element-wise launch over {whole}");
        Run(new Launch
        {
            Name = _name,
            Kernel = _method.Value,
            Arguments = arguments,
            GridDim = Index3D.One,
            GroupDim = Index3D.One,
            WarpSize = _accelerator.WarpSize,
            SharedLimit = 0,
            IsElementwise = true,
            Extent = whole,
            IndexType = ((IIntrinsicIndex)extent).IndexType,
        });
    }

    private static void Run(Launch launch)
    {
        EmulatorOptions.Failing?.Launch();
        SanitizedRun.Execute(launch, EmulatorOptions.Thoroughness);
    }

    private KernelSanitizerException Bad(SanitizerFinding finding, string detail) => new(finding, detail, _name);
}
