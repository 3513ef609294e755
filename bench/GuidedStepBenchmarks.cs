using BenchmarkDotNet.Attributes;
using NativeDiffusion.Bench.Arms;
using NativeDiffusion.Bench.Reports;
using NativeDiffusion.Cli.Bench;
using NativeDiffusion.Kernels;

namespace NativeDiffusion.Bench;

/// <summary>
/// What does fusing guidance, clipping and the sampler's step into one pass gain? The step alone, after the network, beside a copy of as many
/// bytes as it must move.
/// </summary>
[MemoryDiagnoser]
[Config(typeof(BandwidthColumns))]
public class GuidedStepBenchmarks
{
    private StepData _data = null!;
    private ComposedStep _composed = null!;
    private StepNoise? _noise;
    private CpuKernels _kernels = null!, _oneThread = null!;
    private FusedStep _fused = null!, _fusedOneThread = null!;
    private CpuMemory _source = null!, _destination = null!;
    private TensorView _from, _to;

    /// <summary>Extents of an image.</summary>
    public sealed record StepSize(int Side, int Channels) : IComparable
    {
        /// <summary>By size, for tables.</summary>
        public int CompareTo(object? obj) => obj is StepSize other ? Shape.Count.CompareTo(other.Shape.Count) : 1;

        /// <summary>For tables.</summary>
        public override string ToString() => $"{Side}x{Side}x{Channels}";

        internal Shape Shape => new(1, Side, Side, Channels);
    }

    /// <summary>What the step does.</summary>
    [ParamsSource(nameof(Kinds))]
    public StepKind Kind { get; set; }

    /// <summary>From latents to large pictures.</summary>
    [ParamsSource(nameof(Sizes))]
    public StepSize Size { get; set; } = new(8, 4);

    /// <summary>Images.</summary>
    [ParamsSource(nameof(Batches))]
    public int Batch { get; set; } = 1;

    /// <summary>Values of <see cref="Kind"/>.</summary>
    public static IEnumerable<StepKind> Kinds => BenchForm.IsLong ? Enum.GetValues<StepKind>() : [StepKind.History, StepKind.LearnedVariance];

    /// <summary>Values of <see cref="Size"/>.</summary>
    public static IEnumerable<StepSize> Sizes => BenchForm.Size == BenchSize.Tiny ? [new(8, 4)] : [new(8, 4), new(32, 1), new(64, 3), new(256, 3)];

    /// <summary>Values of <see cref="Batch"/>.</summary>
    public static IEnumerable<int> Batches => BenchForm.Size switch { BenchSize.Long => [1, 4, 32], BenchSize.Short => [1, 32], _ => [1] };

    /// <summary>Allocates the inputs of all arms.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _data = new StepData(Size.Shape, Batch, Kind);
        _noise = Kind == StepKind.History ? null : new StepNoise(_data.Shape);
        _composed = new ComposedStep((int)_data.Shape.Count, _noise);
        (_kernels, _oneThread) = (new CpuKernels(BenchForm.Threads), new CpuKernels(1));
        (_fused, _fusedOneThread) = (new FusedStep(_kernels, _data), new FusedStep(_oneThread, _data));
        int half = (int)(StepData.LeastBytes(Size.Shape, Batch, Kind) / (2 * sizeof(float)));
        (_source, _destination) = (new CpuMemory(half), new CpuMemory(half));
        (_from, _to) = (new TensorView(_source, 0, new Shape(half)), new TensorView(_destination, 0, new Shape(half)));
    }

    /// <summary>Frees them.</summary>
    [GlobalCleanup]
    public void Cleanup()
    {
        foreach (IDisposable owner in new IDisposable[] { _fused, _fusedOneThread, _kernels, _oneThread, _source, _destination }) owner.Dispose();
        _noise?.Dispose();
    }

    /// <summary>Half of the bytes read, half of them written, by all threads.</summary>
    [Benchmark]
    public void Copy() => MachineRoof.Copy(_kernels, _from, _to);

    /// <summary>A new array per pass.</summary>
    [Benchmark]
    public object ComposedAllocating() => AllocatingStep.Run(
        _data.Row, StepData.Scale, _data.Conditional, _data.Unconditional, _data.Z, _data.History, _noise);

    /// <summary>Passes over arrays that are kept.</summary>
    [Benchmark(Baseline = true)]
    public void ComposedPreallocated() => _composed.Run(_data.Row, StepData.Scale, _data.Conditional, _data.Unconditional, _data.Z, _data.History);

    /// <summary>One pass on one thread, like the composed arms.</summary>
    [Benchmark]
    public void FusedOneThread() => _fusedOneThread.Run(_data.Row);

    /// <summary>One pass on all threads.</summary>
    [Benchmark]
    public void Fused() => _fused.Run(_data.Row);
}
