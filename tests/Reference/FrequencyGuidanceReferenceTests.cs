using System.Text.Json;
using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Reference;

/// <summary>Frequency-decoupled guidance step by step against the public implementation.</summary>
[TestFixture]
[Category("Reference")]
public sealed class FrequencyGuidanceReferenceTests
{
    private const int Samples = 2, Channels = 3, Steps = 6;

    private static IEnumerable<TestCaseData> Variants => ReferenceCase.All.Where(c => c.Name == "guider_frequency").Take(1)
        .SelectMany(c => Enumerable.Range(0, c.Config.GetProperty("variants").GetArrayLength()).Select(i => new TestCaseData(c, i).SetArgDisplayNames(c.Name, $"{i}")));

    [Test]
    public void The_case_is_there() => Assert.That(Variants, Is.Not.Empty);

    [TestCaseSource(nameof(Variants))]
    public void Every_step_agrees(ReferenceCase reference, int variant)
    {
        var settings = reference.Config.GetProperty("variants")[variant];
        double[] scales = [.. settings.GetProperty("guidance_scales").EnumerateArray().Select(s => s.GetDouble())];
        double[] Numbers(string name, double missing) => settings.GetProperty(name) is var value && value.ValueKind == JsonValueKind.Array
            ? [.. value.EnumerateArray().Select(v => v.GetDouble())]
            : [.. scales.Select(_ => value.ValueKind == JsonValueKind.Number ? value.GetDouble() : missing)];
        double[] parallel = Numbers("parallel_weights", 1), rescale = Numbers("guidance_rescale", 0);
        var options = new FrequencyGuidanceOptions
        {
            Bands = [.. scales.Select((s, i) => new FrequencyBand(s, parallel[i], rescale[i]))],
            Original = settings.GetProperty("use_original_formulation").GetBoolean(), RescaleBands = settings.GetProperty("guidance_rescale_space").GetString() == "freq",
        };
        float[] conditional = reference.Read("in.pred_cond"), unconditional = reference.Read("in.pred_uncond"), expected = reference.Read($"out.{variant}");
        int row = conditional.Length / Steps / Samples, size = (int)Math.Sqrt(row / Channels);
        using var kernels = new CpuKernels(2);
        var b = new PlanBuilder(kernels);
        Tensor prediction = b.Input("prediction", new Shape(2 * Samples, size, size, Channels)), rows = b.Input("rows", new Shape(Samples, 1));
        var weight = b.Input("weight", new Shape(Samples, 2));
        b.FrequencyGuidance(options, prediction, rows, Channels, weight);
        using var plan = b.Build();
        float[] At(float[] steps, int step) => steps[(step * Samples * row)..((step + 1) * Samples * row)];
        for (int step = 0; step < Steps; step++)
        {
            kernels.Upload(ReferenceCase.ToNhwc([.. At(conditional, step), .. At(unconditional, step)], 2 * Samples, Channels, size, size), prediction.View);
            kernels.Upload((int[])[2, 3], rows.View);
            kernels.Upload((float[])[1, 1, 1, 1], weight.View);
            plan.Run();
            ReferenceCase.AssertClose(
                prediction.View.Rows(0, Samples).Span.ToArray(), ReferenceCase.ToNhwc(At(expected, step), Samples, Channels, size, size), 1e-4, $"step {step}");
        }
    }
}
