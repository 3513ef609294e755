using NativeDiffusion.Bench.Reports;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Bench;

/// <summary>Images per second of samplers that share a model and take turns on its device, by those of one sampler alone, for docs/applications.md.</summary>
internal static class SamplersTogether
{
    private const int Steps = 20, ImagesOfEach = 16;

    public static void Run()
    {
        double seconds = BenchForm.IsLong ? 60 : 10;
        string[] presets = BenchForm.Size == BenchSize.Tiny ? ["tiny"] : ["tiny", "digits", "small32"];
        Console.WriteLine("network     batch   samplers   images/s   by one sampler's");
        foreach (string preset in presets)
            foreach (int batch in new[] { 1, 8 })
            {
                using var kernels = BenchForm.Open();
                using var model = new SamplerCase(preset, batch).CreateModel(kernels);
                GuidedSampler[] samplers = [.. Enumerable.Range(0, 4).Select(i => new GuidedSampler(model, new SamplerSettings { Steps = Steps }, new GuidedSamplerOptions { Batch = batch, Seed = (ulong)i }))];
                int[] together = [1, 2, 4];
                int images = preset == "small32" ? batch : ImagesOfEach;
                var times = InTurns.Milliseconds(together.Length, 1, seconds, arm => Sample(samplers[..together[arm]], images));
                for (int arm = 0; arm < together.Length; arm++)
                {
                    double rate = together[arm] * images / InTurns.Median(times[arm]) * 1e3;
                    double ratio = together[arm] / InTurns.Ratio(times[arm], times[0]);
                    Console.WriteLine(FormattableString.Invariant($"{preset,-10} {batch,6} {together[arm],10} {rate,10:0.0} {ratio,18:0.000}"));
                }
                foreach (var sampler in samplers) sampler.Dispose();
            }
    }

    private static void Sample(GuidedSampler[] samplers, int images)
    {
        SampleRequest[] requests = [.. Enumerable.Range(0, images).Select(i => new SampleRequest(i % 2, new GuidanceScale(BenchModels.Scale), i))];
        if (samplers.Length == 1) samplers[0].Sample(requests);
        else Task.WaitAll([.. samplers.Select(sampler => sampler.SampleAsync(requests))]);
    }
}
