using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Perfolizer.Horology;
using NativeDiffusion.Bench;
using NativeDiffusion.Bench.Reports;

string[] rest = BenchForm.Read(args);
Type[] questions = [BenchForm.IsCpu ? typeof(GuidedStepBenchmarks) : typeof(GuidedStepDeviceBenchmarks), typeof(GuidedSamplerStepBenchmarks), typeof(EndToEndBenchmarks)];
if (args.Length == 0)
{
    Console.WriteLine(
        """
        dotnet run -c Release --project bench -- short            a few cases of every question, in a few minutes
        dotnet run -c Release --project bench -- long             every case
        dotnet run -c Release --project bench -- alternate        the arms of a guided sampler step in turns, for steady ratios (long alternate: every case)
        dotnet run -c Release --project bench -- --filter *Step*  chosen benchmarks, with BenchmarkDotNet's own options; *WorkerPool* is only run so
        dotnet run -c Release --project bench -- guiders          what each guider adds to a step, in turns (long guiders: every case)
        dotnet run -c Release --project bench -- together         images per second of samplers that share a model, beside one alone, for docs/applications.md
        dotnet run -c Release --project bench -- quality --samples 100     recognised digits of every sampler at 2 to 50 steps, into docs/sampler-quality.md
        dotnet run -c Release --project bench -- metrics 10000 2048        seconds of FID, KID, precision and recall, for docs/evaluation.md
        dotnet run -c Release --project bench -- tiny --device ilgpu-cpu   whether they run there
        Before anything else (but quality and metrics): short, long or tiny; anywhere: --threads N, or --device NAME as the tool takes it.
        """);
    return 0;
}
if (rest is ["quality", .. var quality])
{
    SamplerQuality.Run(quality);
    return 0;
}
if (rest is ["metrics", .. var sizes])
{
    MetricSpeed.Run(sizes);
    return 0;
}
if (rest is ["guiders"])
{
    GuiderOverhead.Run();
    return 0;
}
if (rest is ["together"])
{
    SamplersTogether.Run();
    return 0;
}
if (rest is ["alternate"])
{
    AlternatedSteps.Run();
    return 0;
}

// In this process: the kernels have threads and memory of their own, and a generated project would inherit this repository's build settings.
var job = Job.Default
    .WithToolchain(new InProcessEmitToolchain(TimeSpan.FromMinutes(30), logOutput: true))
    .WithWarmupCount(2)
    .WithIterationCount(BenchForm.IsLong ? 8 : 5)
    .WithIterationTime(TimeInterval.FromMilliseconds(100));
var config = ManualConfig.CreateEmpty()
    .AddJob(job)
    .AddLogger(ConsoleLogger.Default)
    .AddColumnProvider(DefaultColumnProviders.Instance)
    .HideColumns("Error", "RatioSD", "Gen0", "Gen1", "Gen2", "Alloc Ratio", "Completed Work Items", "Lock Contentions")
    .AddColumn(StatisticColumn.Median)
    .WithOptions(ConfigOptions.DisableLogFile);
var summaries = rest.Length == 0
    ? questions.Select(type => BenchmarkRunner.Run(type, config)).ToArray()
    : [.. BenchmarkSwitcher.FromTypes([.. questions, typeof(WorkerPoolBenchmarks)]).Run(rest, config)];
foreach (var summary in summaries) ResultFiles.Write(summary);
if (rest.Length == 0) AlternatedSteps.Run();
return summaries.Any(s => s.HasCriticalValidationErrors || s.Reports.Any(r => !r.Success)) ? 1 : 0;
