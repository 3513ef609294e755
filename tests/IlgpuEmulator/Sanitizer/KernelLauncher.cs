using ILGPU;
using ILGPU.Runtime;

namespace IlgpuEmulator;

/// <summary>A loaded kernel: checks the shape of each launch and runs it under the sanitizer.</summary>
internal sealed class KernelLauncher
{
    private readonly Device _device;
    private readonly int _threads;
    private readonly Lazy<ResumableMethod> _method;
    private readonly string _name;

    /// <summary><paramref name="threads"/>: those of a group that the kernel was compiled for, at most; null for what the device allows.</summary>
    internal KernelLauncher(Device device, Delegate kernel, int? threads)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        _device = device;
        _threads = Math.Min(threads ?? device.MaxNumThreadsPerGroup, device.MaxNumThreadsPerGroup);
        _name = KernelName.Of(kernel.Method);
        _method = new Lazy<ResumableMethod>(() => ResumableCompiler.Get(kernel.Method));
    }

    internal void Launch(KernelConfig config, Argument[] arguments)
    {
        if (config.GridDim.LongSize == 0 || config.GroupDim.LongSize == 0)
            throw Bad(SanitizerFinding.GroupSize, $"a grid of {config.GridDim} groups of {config.GroupDim} threads is empty");
        var limit = _device.MaxGroupSize;
        if (config.GroupDim.LongSize > _threads || !Fits(config.GroupDim, limit))
            throw Bad(
                SanitizerFinding.GroupSize,
                $"{config.GroupDim} = {config.GroupDim.LongSize} threads per group; the device allows " +
                $"{_threads}, at most {limit} by dimension");
        if (!Fits(config.GridDim, _device.MaxGridSize))
            throw Bad(SanitizerFinding.GroupSize, $"a grid of {config.GridDim}; the device allows {_device.MaxGridSize}");
        if (EmulatorOptions.Captured is { } captured)
        {
            captured.Add(() => Launch(config, arguments));
            return;
        }
        if (EmulatorOptions.Recorder is { } record)
        {
            record(new RecordedLaunch(arguments[0].Value, config.GridDim.LongSize));
            return;
        }
        Run(new Launch
        {
            Name = _name,
            Kernel = _method.Value,
            Arguments = arguments,
            GridDim = config.GridDim,
            GroupDim = config.GroupDim,
            WarpSize = _device.WarpSize,
            SharedLimit = _device.MaxSharedMemoryPerGroup,
        });
    }

    private static void Run(Launch launch)
    {
        EmulatorOptions.Failing?.Launch();
        SanitizedRun.Execute(launch, EmulatorOptions.Thoroughness);
    }

    private static bool Fits(Index3D extent, Index3D limit) => extent.X <= limit.X && extent.Y <= limit.Y && extent.Z <= limit.Z;

    private KernelSanitizerException Bad(SanitizerFinding finding, string detail) => new(finding, detail, _name);
}
