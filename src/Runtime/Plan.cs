using System.Diagnostics;
using System.Globalization;
using System.Text;
using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

/// <summary>
/// A recorded network with its memory planned: a list of kernel calls. Running it allocates nothing and checks no shapes. A plan serves one caller at a
/// time; plans of one device run one after the other, in the order in which they were started, and may share weights, but not an <see cref="Arena"/>.
/// </summary>
public sealed class Plan : IDisposable
{
    private readonly IKernels _kernels;
    private readonly Step[] _steps;
    private readonly Tensor[] _planned;
    private readonly Dictionary<string, Tensor> _inputs, _outputs;
    private readonly Arena _arena;
    private readonly bool _ownsArena;
    private readonly PlanMemory _memory;
    private readonly PlanGraphs? _graphs;
    private readonly UseGuard _guard = new(nameof(Plan), "A plan serves one caller at a time; record one for each thread, each with an arena of its own.");
    private readonly (UseGuard Guard, bool Writes)[] _used;

    internal Plan(
        IKernels kernels, Step[] steps, Tensor[] planned, Dictionary<string, Tensor> inputs, Dictionary<string, Tensor> outputs,
        Arena arena, bool ownsArena, long peakBytes, PlanMemory memory, double sharedFlops)
    {
        (_kernels, _steps, _planned, _inputs, _outputs, _memory) = (kernels, steps, planned, inputs, outputs, memory);
        (_arena, _ownsArena, PeakBytes) = (arena, ownsArena, peakBytes);
        SharedFlops = sharedFlops;
        _used = UsedBy(steps, arena);
        _graphs = kernels.Graphs is { } graphs ? new PlanGraphs(steps, graphs) : null;
    }

    /// <summary>The kernel calls in order.</summary>
    public IReadOnlyList<Step> Steps => _steps;

    /// <summary>Bytes of planned memory that a run needs; weights and other bound memory are not counted.</summary>
    public long PeakBytes { get; }

    /// <summary>Floating-point operations of one run, as the textbook formulas count them.</summary>
    public double Flops => _steps.Sum(s => s.Flops);

    /// <summary>
    /// Floating-point operations that a run spares, because rows that the condition does not reach are computed once for both halves of the
    /// doubled batch.
    /// </summary>
    public double SharedFlops { get; }

    internal IReadOnlyList<Tensor> Planned => _planned;

    /// <summary>The memory of an input, to fill before a run.</summary>
    /// <exception cref="KeyNotFoundException">The plan has no such input.</exception>
    public TensorView Input(string name) => Find(_inputs, name, "input");

    /// <summary>The memory of an output, valid after a run until another plan of the same arena runs.</summary>
    /// <exception cref="KeyNotFoundException">The plan has no such output.</exception>
    public TensorView Output(string name) => Find(_outputs, name, "output");

    /// <summary>Runs every step. A device that serves several callers lets them wait for their turn.</summary>
    /// <exception cref="DeviceMemoryException">The device has no room for what a kernel needs beside the plan.</exception>
    /// <exception cref="DeviceLostException">The device stopped working.</exception>
    /// <exception cref="ObjectDisposedException">The plan, or what it works on, was disposed.</exception>
    /// <exception cref="InvalidOperationException">Another caller uses the plan or its arena, or changes weights that it reads.</exception>
    public void Run() => Run(profiled: false, CancellationToken.None);

    /// <summary>
    /// Runs the steps until it is cancelled, which it looks for before each and while it waits for its turn. What the plan writes is then half made, so this is
    /// not for plans that change weights.
    /// </summary>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    internal void Run(CancellationToken cancellation) => Run(profiled: false, cancellation);

    /// <summary>Runs every step and notes its seconds. A device that computes behind the caller's back is waited for after each.</summary>
    public void RunProfiled() => Run(profiled: true, CancellationToken.None);

    private void Run(bool profiled, CancellationToken cancellation)
    {
        using var use = _guard.Write();
        using var memory = _arena.Memory.Guard.Write();
        int begun = 0;
        try
        {
            for (; begun < _used.Length; begun++) _ = _used[begun].Writes ? _used[begun].Guard.Write(nested: true) : _used[begun].Guard.Read();
            using var turn = _kernels.Queue.Enter(cancellation);
            if (profiled) RunTimed();
            else if (_graphs is not null) _graphs.Run(_kernels, cancellation);
            else
                foreach (var step in _steps)
                {
                    cancellation.ThrowIfCancellationRequested();
                    step.Run(_kernels);
                }
        }
        catch (DeviceMemoryException e)
        {
            throw _memory.Explain(e, e.RequestedBytes);
        }
        finally
        {
            while (--begun >= 0) new UseGuard.Use(_used[begun].Guard).Dispose();
        }
    }

    private void RunTimed()
    {
        _kernels.Synchronize();
        foreach (var step in _steps)
        {
            long start = Stopwatch.GetTimestamp();
            step.Run(_kernels);
            _kernels.Synchronize();
            step.Seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
    }

    /// <summary>A table of the steps: kernel, result, where it lies, bytes, FLOPs and, after <see cref="RunProfiled"/>, time.</summary>
    public string Describe()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{_steps.Length} steps, {Flops / 1e9:0.###} GFLOP, peak {PeakBytes / 1e6:0.0} MB on {_kernels.DeviceName}");
        if (SharedFlops > 0)
            text.AppendLine(CultureInfo.InvariantCulture, $"shared rows spare {SharedFlops / 1e9:0.###} GFLOP, {100 * SharedFlops / (Flops + SharedFlops):0.0}% of the doubled batch");
        if (_graphs is not null) text.AppendLine(CultureInfo.InvariantCulture, $"{_graphs}");
        text.AppendLine("step  kernel                      result                                                   offset       bytes      MFLOP        ms   GFLOP/s");
        for (int i = 0; i < _steps.Length; i++)
        {
            var step = _steps[i];
            var result = step.Writes.Count > 0 ? step.Writes[0] : null;
            string offset = result is { Kind: not TensorKind.Bound } ? result.View.Offset.ToString(CultureInfo.InvariantCulture) : "bound";
            double rate = step.Seconds > 0 ? step.Flops / step.Seconds / 1e9 : 0;
            text.AppendLine(CultureInfo.InvariantCulture,
                $"{i,4}  {step.Kernel,-26}  {result,-52} {offset,10} {(result?.Count ?? 0) * sizeof(float),11} {step.Flops / 1e6,10:0.00} {step.Seconds * 1e3,9:0.000} {rate,9:0.0}");
        }
        return text.ToString();
    }

    /// <summary>Frees the plan's own arena; a shared one is left to its owner.</summary>
    /// <exception cref="InvalidOperationException">The plan is running.</exception>
    public void Dispose()
    {
        if (!_guard.End()) return;
        _graphs?.Dispose();
        if (_ownsArena) _arena.Dispose();
    }

    /// <summary>Whatever the steps work on beside the arena. A packed weight is made under the device's turn, so that whoever needs it reads it.</summary>
    private static (UseGuard Guard, bool Writes)[] UsedBy(Step[] steps, Arena arena)
    {
        var used = new Dictionary<UseGuard, bool>();
        foreach (var step in steps)
        {
            foreach (var tensor in step.Reads) used.TryAdd(GuardOf(tensor), false);
            foreach (var tensor in step.Writes)
                if (!tensor.IsPacked)
                    used[GuardOf(tensor)] = true;
        }
        used.Remove(arena.Memory.Guard);
        return [.. used.Select(u => (u.Key, u.Value))];
    }

    private static UseGuard GuardOf(Tensor tensor) => tensor.View.Memory!.Guard;

    private TensorView Find(Dictionary<string, Tensor> tensors, string name, string what)
    {
        _guard.ThrowIfEnded();
        return tensors.TryGetValue(name, out var tensor)
            ? tensor.View
            : throw new KeyNotFoundException($"The plan has no {what} '{name}'; it has {string.Join(", ", tensors.Keys.Select(k => $"'{k}'"))}.");
    }
}
