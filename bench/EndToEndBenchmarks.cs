using BenchmarkDotNet.Attributes;
using NativeDiffusion.Bench.Arms;
using NativeDiffusion.Bench.Reports;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Bench;

/// <summary>How long does a guided sample of 50 steps take, and does the gain of a step last?</summary>
[MemoryDiagnoser]
public class EndToEndBenchmarks
{
    private const int Steps = 50;
    private IKernels _kernels = null!;
    private DiffusionModel _model = null!;
    private GuidedSampler _sampler = null!;
    private ISamplerArm _composed = null!;
    private SampleRequest[] _requests = [];
    private float[] _noise = [];

    /// <summary>Network and batch.</summary>
    [ParamsSource(nameof(Cases))]
    public SamplerCase Case { get; set; } = new("digits", 4);

    /// <summary>Values of <see cref="Case"/>.</summary>
    public static IEnumerable<SamplerCase> Cases => BenchForm.Size switch
    {
        BenchSize.Long => [new("digits", 4), new("small32", 4)],
        BenchSize.Short => [new("digits", 4), new("small32", 1)],
        _ => [new("tiny", 2)],
    };

    /// <summary>Prepares both arms.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _kernels = BenchForm.Open();
        _model = Case.CreateModel(_kernels);
        var table = BenchModels.Table(_model, Steps);
        _sampler = new GuidedSampler(_model, table);
        _requests = [.. Enumerable.Range(0, Case.Batch).Select(i => new SampleRequest(i % _model.NullLabel, new GuidanceScale(BenchModels.Scale), i))];
        _composed = BenchModels.Create(0, _model, table, Case.Batch);
        var config = Case.Network;
        _noise = StepData.Noise(Case.Batch * config.ImageSize * config.ImageSize * config.InChannels, 1);
    }

    /// <summary>Frees them.</summary>
    [GlobalCleanup]
    public void Cleanup()
    {
        _sampler.Dispose();
        _composed.Dispose();
        _model.Dispose();
        _kernels.Dispose();
    }

    /// <summary>Two evaluations and simple passes per step.</summary>
    [Benchmark(Baseline = true)]
    public float[] TwoPasses()
    {
        _composed.Start(_noise);
        for (int row = 0; row < Steps; row++) _composed.Step(row);
        return _composed.Download();
    }

    /// <summary>The sampler, noise and pictures included.</summary>
    [Benchmark]
    public object GuidedSampler() => _sampler.Sample(_requests);
}
