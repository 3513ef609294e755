using ILGPU.Runtime;

namespace NativeDiffusion.Kernels;

/// <content>Series of launches that are started as one.</content>
internal sealed partial class GpuKernels : ILaunchGraphs
{
    private readonly HashSet<ILaunchGraph> _graphs = [];
    private readonly Queue<ILaunchGraph> _discarded = [];
    private long _memoryVersion;

    /// <inheritdoc/>
    public long MemoryVersion => Interlocked.Read(ref _memoryVersion);

    /// <inheritdoc/>
    public long HostCalls { get; private set; }

    /// <summary>Kernels and graphs that were started; those that were captured count as often.</summary>
    internal long Launches { get; private set; }

    /// <inheritdoc/>
    public string? Refusal { get; private set; }

    /// <inheritdoc/>
    ILaunchGraphs? IKernels.Graphs => _launcher.Captures ? this : null;

    /// <inheritdoc/>
    public ILaunchGraph? Capture(Action launches)
    {
        Discard();
        if (Refusal is not null) return null;
        try
        {
            var graph = _launcher.Capture(launches);
            _graphs.Add(graph);
            return new OwnedGraph(this, graph);
        }
        catch (CaptureRefusedException e)
        {
            // It may be a device that was lost.
            Synchronize();
            Refusal = $"{DeviceName} does not capture launches: {e.Message}";
            return null;
        }
    }

    private void Discard()
    {
        lock (_discarded)
        {
            while (_discarded.TryDequeue(out var graph))
                if (_graphs.Remove(graph))
                    graph.Dispose();
        }
    }

    /// <summary>A graph whose user may let go of it in any thread: it is freed with the next capture, or with the device.</summary>
    private sealed class OwnedGraph(GpuKernels device, ILaunchGraph graph) : ILaunchGraph
    {
        public void Launch()
        {
            device.Launches++;
            try
            {
                graph.Launch();
            }
            catch (AcceleratorException e)
            {
                throw device.Lost(e);
            }
        }

        public void Dispose()
        {
            lock (device._discarded) device._discarded.Enqueue(graph);
        }
    }
}
