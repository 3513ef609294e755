using BenchmarkDotNet.Attributes;
using NativeDiffusion.Bench.Arms;
using NativeDiffusion.Bench.Reports;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Bench;

/// <summary>
/// The question of <see cref="GuidedStepBenchmarks"/> on the device of <c>--device</c>: the step alone, everything in its memory. Many steps are started
/// before the device is waited for, as a sampler does.
/// </summary>
[MemoryDiagnoser]
[Config(typeof(BandwidthColumns))]
public class GuidedStepDeviceBenchmarks
{
    private const int StepsPerWait = 50;
    private IKernels _kernels = null!;
    private GuidedStepRow _row;
    private OwnedTensors _owned = null!;
    private FusedStep _fused = null!;
    private DeviceComposedStep _composed = null!;
    private TensorView _conditional, _unconditional, _z, _history, _source, _destination;

    /// <summary>What the step does: the composed arm has kernels for this kind alone.</summary>
    [Params(StepKind.History)]
    public StepKind Kind { get; set; }

    /// <summary>From latents to large pictures.</summary>
    [ParamsSource(nameof(Sizes))]
    public GuidedStepBenchmarks.StepSize Size { get; set; } = new(8, 4);

    /// <summary>Images.</summary>
    [ParamsSource(nameof(Batches))]
    public int Batch { get; set; } = 1;

    /// <summary>Values of <see cref="Size"/>.</summary>
    public static IEnumerable<GuidedStepBenchmarks.StepSize> Sizes => GuidedStepBenchmarks.Sizes;

    /// <summary>Values of <see cref="Batch"/>.</summary>
    public static IEnumerable<int> Batches => GuidedStepBenchmarks.Batches;

    /// <summary>Allocates the inputs of all arms.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _kernels = BenchForm.Open();
        var data = new StepData(Size.Shape, Batch, Kind);
        _row = data.Row with { Clip = false };
        (_owned, _fused, _composed) = (new OwnedTensors(_kernels), new FusedStep(_kernels, data), new DeviceComposedStep(_kernels, data.Shape));
        (_conditional, _unconditional, _z, _history) = (On(data.Conditional), On(data.Unconditional), On(data.Z), On(data.History));
        var half = new Shape((int)(StepData.LeastBytes(Size.Shape, Batch, Kind) / (2 * sizeof(float))));
        (_source, _destination) = (_owned.Allocate(half), _owned.Allocate(half));

        TensorView On(float[] values)
        {
            var tensor = _owned.Allocate(data.Shape);
            _kernels.Upload(values, tensor);
            return tensor;
        }
    }

    /// <summary>Frees them.</summary>
    [GlobalCleanup]
    public void Cleanup()
    {
        foreach (IDisposable owner in new IDisposable[] { _composed, _fused, _owned, _kernels }) owner.Dispose();
    }

    /// <summary>Half of the bytes read, half of them written.</summary>
    [Benchmark(OperationsPerInvoke = StepsPerWait)]
    public void Copy()
    {
        for (int i = 0; i < StepsPerWait; i++) _kernels.Copy(_source, _destination);
        _kernels.Synchronize();
    }

    /// <summary>A kernel for every pass.</summary>
    [Benchmark(Baseline = true, OperationsPerInvoke = StepsPerWait)]
    public void Composed()
    {
        for (int i = 0; i < StepsPerWait; i++) _composed.Run(_row, StepData.Scale, _conditional, _unconditional, _z, _history);
        _kernels.Synchronize();
    }

    /// <summary>One kernel.</summary>
    [Benchmark(OperationsPerInvoke = StepsPerWait)]
    public void Fused()
    {
        for (int i = 0; i < StepsPerWait; i++) _fused.Run(_row);
        _kernels.Synchronize();
    }
}
