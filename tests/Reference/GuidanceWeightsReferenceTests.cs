using System.Text.Json;
using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Reference;

/// <summary>Combinations of predictions that are weights, against what the public implementation made of the same predictions.</summary>
[TestFixture]
[Category("Reference")]
public sealed class GuidanceWeightsReferenceTests
{
    private const int Samples = 2, Channels = 3, Size = 8, Steps = 6, Row = Channels * Size * Size;

    private static readonly Dictionary<string, GuidanceWeightsKind> Kinds = new()
    {
        ["guider_cfg"] = GuidanceWeightsKind.Plain,
        ["guider_auto"] = GuidanceWeightsKind.Plain,
        ["guider_perturbed"] = GuidanceWeightsKind.Plain,
        ["guider_skip_layer"] = GuidanceWeightsKind.Plain,
        ["guider_seg"] = GuidanceWeightsKind.Plain,
        ["guider_apg"] = GuidanceWeightsKind.ProjectedApg,
        ["guider_zero_star"] = GuidanceWeightsKind.ZeroStar,
        ["guider_tangential"] = GuidanceWeightsKind.Tangential,
        ["guider_magnitude"] = GuidanceWeightsKind.Magnitude,
    };

    private static IEnumerable<TestCaseData> Variants => ReferenceCase.All.Where(c => Kinds.ContainsKey(c.Name)).DistinctBy(c => c.Name)
        .SelectMany(c => Enumerable.Range(0, c.Config.GetProperty("variants").GetArrayLength()).Select(i => new TestCaseData(c, i).SetArgDisplayNames(c.Name, $"{i}")));

    [Test]
    public void All_cases_are_there() => Assert.That(Variants.Select(v => ((ReferenceCase)v.Arguments[0]!).Name).Distinct(), Is.EquivalentTo(Kinds.Keys));

    [TestCaseSource(nameof(Variants))]
    public void Every_step_agrees(ReferenceCase reference, int variant)
    {
        var settings = reference.Config.GetProperty("variants")[variant];
        float[] conditional = reference.Read("in.pred_cond"), unconditional = reference.Read("in.pred_uncond"), expected = reference.Read($"out.{variant}");
        float[] perturbed = reference.Has("in.pred_perturbed") ? reference.Read("in.pred_perturbed") : unconditional;
        var options = new GuidanceWeightsOptions
        {
            Kind = Kinds[reference.Name], Original = settings.GetProperty("use_original_formulation").GetBoolean(),
            Rescale = (float)Number(settings, "guidance_rescale"), Alpha = (float)Number(settings, "alpha"), Eta = (float)Number(settings, "eta"),
            Threshold = (float)Number(settings, "adaptive_projected_guidance_rescale"),
        };
        // Of APG with momentum only the first guided step is plain; norms over some dimensions have no weights.
        bool momentum = Number(settings, "adaptive_projected_guidance_momentum") != 0;
        if (settings.TryGetProperty("adaptive_projected_guidance_norm_dim", out var dims) && dims.ValueKind != JsonValueKind.Null) return;
        using IKernels kernels = new CpuKernels(1);
        int compared = 0;
        for (int step = 0; step < Steps; step++)
        {
            float[] weight = PlainWeights(settings, step, out int[] rows);
            float[] predictions = [.. At(conditional, step), .. At(unconditional, step), .. At(perturbed, step)];
            float[] got = Combine(kernels, options, predictions, rows, weight);
            double largest = expected.Max(v => Math.Abs((double)v));
            ReferenceCase.AssertClose(got, At(expected, step), 1e-4, $"step {step}", At(expected, step).All(v => v == 0) ? largest : 0);
            compared++;
            if (momentum && rows[0] >= 0) break;
        }
        Assert.That(compared, Is.GreaterThan(0));
    }

    /// <summary>m, w_1, w_2 of both samples and the rows of their branches, as a sampler sets them: window, scales, zero steps.</summary>
    private static float[] PlainWeights(JsonElement settings, int step, out int[] rows)
    {
        double scale = Number(settings, "guidance_scale"), perturbedScale = 0;
        bool original = settings.GetProperty("use_original_formulation").GetBoolean(), perturbedOn = false;
        bool on = Window("start", "stop", false) && scale != (original ? 0 : 1);
        foreach (string name in new[] { "perturbed_guidance", "skip_layer_guidance", "seg_guidance" })
            if (settings.TryGetProperty(name + "_scale", out var value))
            {
                perturbedScale = value.GetDouble();
                perturbedOn = perturbedScale != 0 && Window(name + "_start", name + "_stop", true);
            }
        double w1 = !on ? 0 : original ? scale : scale - 1;
        double w2 = !perturbedOn ? 0 : on || original ? perturbedScale : perturbedScale - 1;
        double m = 1;
        if (step < Number(settings, "zero_init_steps")) m = w1 = w2 = 0;
        rows = [on ? 2 : -1, perturbedOn ? 4 : -1, on ? 3 : -1, perturbedOn ? 5 : -1];
        return [(float)m, (float)w1, (float)w2, (float)m, (float)w1, (float)w2];

        bool Window(string start, string stop, bool strict)
        {
            int first = (int)(Number(settings, start) * Steps), end = (int)(Number(settings, stop) * Steps);
            return (strict ? first < step : first <= step) && step < end;
        }
    }

    private static float[] Combine(IKernels kernels, GuidanceWeightsOptions options, float[] nchw, int[] rows, float[] weight)
    {
        using var memory = kernels.Allocate(nchw.Length + 64);
        var prediction = new TensorView(memory, 0, new Shape(3 * Samples, Size, Size, Channels));
        TensorView branchRow = new(memory, nchw.Length, new Shape(Samples, 2)), weights = new(memory, nchw.Length + 16, new Shape(Samples, 3));
        kernels.Upload(ReferenceCase.ToNhwc(nchw, 3 * Samples, Channels, Size, Size), prediction);
        kernels.Upload(rows, branchRow);
        kernels.Upload(weight, weights);
        kernels.GuidanceWeights(options, prediction, branchRow, Channels, weights);
        float[] w = weights.Span.ToArray();
        return [.. Enumerable.Range(0, Samples * Row).Select(i =>
        {
            int n = i / Row;
            float p0 = nchw[i], p = w[3 * n] * p0;
            for (int k = 0; k < 2; k++)
                if (rows[2 * n + k] is var row and >= 0) p += w[3 * n + 1 + k] * (p0 - nchw[row * Row + i % Row]);
            return p;
        })];
    }

    private static double Number(JsonElement settings, string name) =>
        settings.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : 0;

    private static float[] At(float[] steps, int step) => steps[(step * Samples * Row)..((step + 1) * Samples * Row)];
}
