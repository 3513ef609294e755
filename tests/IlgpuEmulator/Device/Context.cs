using System.Collections.Immutable;
using System.Diagnostics;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;

namespace ILGPU;

/// <summary>Lists emulated devices. CUDA and OpenCL devices do not exist here.</summary>
public sealed partial class Context : Util.DisposeBase
{
    private Context(Builder builder)
    {
        Properties = builder;
        Devices = builder.Devices.Count == 0 ? [CPUDevice.Default] : [.. builder.Devices];
    }

    public static string Version => "1.5.3";

    public ImmutableArray<Device> Devices { get; }

    public ContextProperties Properties { get; }

    public static Builder Create() => new();

    public static Context Create(Action<Builder> buildingCallback)
    {
        var builder = Create();
        buildingCallback(builder);
        return builder.ToContext();
    }

    public static Context CreateDefault() => Create(builder => builder.Default());

    public TDevice GetDevice<TDevice>(int deviceIndex)
        where TDevice : Device => Devices.OfType<TDevice>().ElementAt(deviceIndex);

    public Device GetPreferredDevice(bool preferCPU) => Devices[0];

    public IEnumerable<Device> GetPreferredDevices(bool preferCPU, bool matchingDevicesOnly) => Devices;

    public ImmutableArray<Device>.Enumerator GetEnumerator() => Devices.GetEnumerator();

    public sealed class Builder : ContextProperties
    {
        internal Builder()
        {
        }

        internal List<Device> Devices { get; } = [];

        public Builder Default() => AllAccelerators().AutoAssertions();

        public Builder AllAccelerators() => this.DefaultCPU().OpenCL().Cuda();

        public Builder AllAccelerators(Predicate<Device> predicate) =>
            this.CPU(predicate).OpenCL(predicate).Cuda(predicate);

        public Builder Inlining(InliningMode inliningMode)
        {
            InliningMode = inliningMode;
            return this;
        }

        public Builder DebugSymbols(DebugSymbolsMode debugSymbolsMode)
        {
            DebugSymbolsMode = debugSymbolsMode;
            return this;
        }

        public Builder Assertions()
        {
            EnableAssertions = true;
            return this;
        }

        public Builder AutoAssertions() => Debugger.IsAttached ? Assertions() : this;

        public Builder Math(MathMode mathMode)
        {
            MathMode = mathMode;
            return this;
        }

        public Builder Caching(CachingMode cachingMode)
        {
            CachingMode = cachingMode;
            return this;
        }

        public Builder Optimize(OptimizationLevel level)
        {
            OptimizationLevel = level;
            return this;
        }

        public Builder Debug() => Optimize(OptimizationLevel.Debug).Assertions();

        public Builder Release() => Optimize(OptimizationLevel.Release);

        public Builder PageLocking(PageLockingMode mode)
        {
            PageLockingMode = mode;
            return this;
        }

        public Builder Profiling()
        {
            EnableProfiling = true;
            return this;
        }

        public Context ToContext() => new(this);
    }
}
