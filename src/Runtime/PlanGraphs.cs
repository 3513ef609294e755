using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

/// <summary>
/// Runs the steps of a plan, on a device that can start many launches as one: the first run is as ever, the second captures every stretch of steps whose calls are
/// the same in each run, and later ones start these graphs and call only the steps between. Where memory moved, it begins anew.
/// </summary>
internal sealed class PlanGraphs(Step[] steps, ILaunchGraphs device) : IDisposable
{
    // Starting a graph takes as long as starting a few kernels.
    private const int LeastSteps = 4;

    private readonly bool[] _callsHost = new bool[steps.Length];
    private readonly List<Stretch> _stretches = [];
    private long _version = -1;

    /// <summary>How the steps are started, in words.</summary>
    public override string ToString() => device.Refusal is { } refusal
        ? $"every step is started by itself. {refusal}."
        : _stretches.Count == 0 ? "every step is started by itself: nothing was captured yet."
        : $"{_stretches.Sum(s => s.Graph is null ? 0 : s.Count)} of {steps.Length} steps are started as {_stretches.Count(s => s.Graph is not null)} graphs.";

    /// <summary>One run.</summary>
    public void Run(IKernels kernels, CancellationToken cancellation)
    {
        bool isCaptured = _version == device.MemoryVersion && device.Refusal is null;
        if (!isCaptured)
        {
            Forget();
            Observe(kernels, cancellation);
            _version = device.MemoryVersion;
            return;
        }
        if (_stretches.Count == 0) Divide();
        foreach (var stretch in _stretches)
        {
            cancellation.ThrowIfCancellationRequested();
            if (stretch.IsFixed && _version == device.MemoryVersion)
            {
                stretch.Graph ??= device.Capture(() => Call(kernels, stretch, CancellationToken.None));
                if (stretch.Graph is not null)
                {
                    stretch.Graph.Launch();
                    continue;
                }
            }
            Call(kernels, stretch, cancellation);
        }
    }

    public void Dispose() => Forget();

    private void Forget()
    {
        foreach (var stretch in _stretches) stretch.Graph?.Dispose();
        _stretches.Clear();
    }

    /// <summary>Calls every step, which loads its kernels and takes the memory they need, and notes which have dealings with the host.</summary>
    private void Observe(IKernels kernels, CancellationToken cancellation)
    {
        for (int i = 0; i < steps.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            long before = device.HostCalls;
            steps[i].Run(kernels);
            _callsHost[i] = device.HostCalls != before;
        }
    }

    private void Call(IKernels kernels, Stretch stretch, CancellationToken cancellation)
    {
        for (int i = stretch.First; i < stretch.First + stretch.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            steps[i].Run(kernels);
        }
    }

    private void Divide()
    {
        for (int first = 0, end; first < steps.Length; first = end)
        {
            bool isFixed = IsFixed(first);
            for (end = first + 1; end < steps.Length && IsFixed(end) == isFixed; end++) { }
            _stretches.Add(new Stretch(first, end - first, isFixed && end - first >= LeastSteps));
        }
    }

    private bool IsFixed(int step) => steps[step].IsFixed && !_callsHost[step];

    private sealed record Stretch(int First, int Count, bool IsFixed)
    {
        public ILaunchGraph? Graph { get; set; }
    }
}
