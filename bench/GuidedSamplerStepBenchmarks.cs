using BenchmarkDotNet.Attributes;
using NativeDiffusion.Bench.Arms;
using NativeDiffusion.Bench.Reports;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;

namespace NativeDiffusion.Bench;

/// <summary>What does a whole guided sampler step gain, network included, from one doubled batch and from the fused step? Same kernels in all arms.</summary>
[MemoryDiagnoser]
public class GuidedSamplerStepBenchmarks
{
    private IKernels _kernels = null!;
    private DiffusionModel _model = null!;
    private ISamplerArm _arm = null!;

    /// <summary>Network and batch.</summary>
    [ParamsSource(nameof(Cases))]
    public SamplerCase Case { get; set; } = new("digits", 1);

    /// <summary>Values of <see cref="Case"/>.</summary>
    public static IEnumerable<SamplerCase> Cases => BenchForm.Size switch
    {
        BenchSize.Long =>
            [new("digits", 1), new("digits", 4), new("digits", 16), new("small32", 1), new("small32", 4), new("small32", 16), new("base64", 1), new("base64", 4)],
        BenchSize.Short => [new("digits", 1), new("digits", 16), new("small32", 1), new("small32", 16)],
        _ => [new("tiny", 2)],
    };

    /// <summary>Prepares the first arm.</summary>
    [GlobalSetup(Target = nameof(TwoPasses))]
    public void SetupTwoPasses() => Setup(0);

    /// <summary>Prepares the second arm.</summary>
    [GlobalSetup(Target = nameof(DoubledComposed))]
    public void SetupDoubledComposed() => Setup(1);

    /// <summary>Prepares the third arm.</summary>
    [GlobalSetup(Target = nameof(GuidedSampler))]
    public void SetupGuidedSampler() => Setup(2);

    /// <summary>Frees the arm.</summary>
    [GlobalCleanup]
    public void Cleanup()
    {
        _arm.Dispose();
        _model.Dispose();
        _kernels.Dispose();
    }

    /// <summary>The network with the labels, the network without, then simple passes.</summary>
    [Benchmark(Baseline = true)]
    public void TwoPasses() => Step();

    /// <summary>The network once on the doubled batch, then simple passes.</summary>
    [Benchmark]
    public void DoubledComposed() => Step();

    /// <summary>One plan for each group of images: shared prefix, doubled batch, fused step.</summary>
    [Benchmark]
    public void GuidedSampler() => Step();

    private void Step()
    {
        _arm.Step(0);
        _kernels.Synchronize();
    }

    private void Setup(int arm)
    {
        _kernels = BenchForm.Open();
        _model = Case.CreateModel(_kernels);
        _arm = BenchModels.Start(arm, _model, BenchModels.MiddleStep(_model), Case.Batch);
    }
}
