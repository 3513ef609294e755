using BenchmarkDotNet.Attributes;
using NativeDiffusion.Kernels;

namespace NativeDiffusion.Bench;

/// <summary>What does it cost to hand a job to the workers? More workers than processors must not make a job wait for one that does not run.</summary>
public class WorkerPoolBenchmarks
{
    private const int Items = 8;
    private WorkerPool _pool = null!;
    private EmptyJob _job;

    /// <summary>Workers, the caller included.</summary>
    [Params(1, 2, 7)]
    public int Workers { get; set; }

    /// <summary>Starts the threads.</summary>
    [GlobalSetup]
    public void Setup() => _pool = new WorkerPool(Workers);

    /// <summary>Ends them.</summary>
    [GlobalCleanup]
    public void Cleanup() => _pool.Dispose();

    /// <summary>Eight items that do nothing.</summary>
    [Benchmark]
    public void Handoff() => _pool.Run(ref _job, Items);

    private struct EmptyJob : IWorkerJob
    {
        public readonly void Execute(int item, int worker)
        {
        }
    }
}
