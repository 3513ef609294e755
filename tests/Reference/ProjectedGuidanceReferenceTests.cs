using System.Text.Json;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Reference;

/// <summary>Projected guidance with momentum, norms by channel and late start, step by step against the public implementation.</summary>
[TestFixture]
[Category("Reference")]
public sealed class ProjectedGuidanceReferenceTests
{
    private const int Samples = 2, Channels = 3, Size = 8, Steps = 6, Row = Channels * Size * Size;

    private static readonly string[] Names = ["guider_apg", "guider_apg_mix"];

    private static IEnumerable<TestCaseData> Variants => ReferenceCase.All.Where(c => Names.Contains(c.Name)).DistinctBy(c => c.Name)
        .SelectMany(c => Enumerable.Range(0, c.Config.GetProperty("variants").GetArrayLength()).Select(i => new TestCaseData(c, i).SetArgDisplayNames(c.Name, $"{i}")));

    [Test]
    public void All_cases_are_there() => Assert.That(Variants.Select(v => ((ReferenceCase)v.Arguments[0]!).Name).Distinct(), Is.EquivalentTo(Names));

    [TestCaseSource(nameof(Variants))]
    public void Every_step_agrees(ReferenceCase reference, int variant)
    {
        var settings = reference.Config.GetProperty("variants")[variant];
        double Number(string name, double missing = 0) =>
            settings.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : missing;
        bool mixes = settings.TryGetProperty("adaptive_projected_guidance_scale", out var lateScale), original = settings.GetProperty("use_original_formulation").GetBoolean();
        bool momentum = settings.GetProperty("adaptive_projected_guidance_momentum").ValueKind == JsonValueKind.Number;
        bool perChannel = settings.TryGetProperty("adaptive_projected_guidance_norm_dim", out var dims) && dims.ValueKind == JsonValueKind.Array;
        var options = new ProjectedGuidanceOptions
        {
            Original = original, Momentum = (float)Number("adaptive_projected_guidance_momentum"), Threshold = (float)Number("adaptive_projected_guidance_rescale"),
            Eta = (float)Number("eta"), Rescale = (float)Number("guidance_rescale"), PerChannel = perChannel,
        };
        float[] conditional = reference.Read("in.pred_cond"), unconditional = reference.Read("in.pred_uncond"), expected = reference.Read($"out.{variant}");
        using IKernels kernels = new CpuKernels(2);
        using var memory = kernels.Allocate(3 * Samples * Row + 64);
        var prediction = new TensorView(memory, 0, new Shape(2 * Samples, Size, Size, Channels));
        var running = new TensorView(memory, prediction.Count, new Shape(Samples, Size, Size, Channels));
        TensorView branchRow = new(memory, 3 * Samples * Row, new Shape(Samples, 1)), weight = new(memory, 3 * Samples * Row + 16, new Shape(Samples, 2));
        var (slot, moment) = (new Slot<ProjectedGuidanceOptions>(options), new Slot<GuidanceMoment>());
        var b = new PlanBuilder(kernels);
        var inputs = new CombinationInputs(
            b.Bind("prediction", prediction), b.Bind("rows", branchRow), b.Bind("weight", weight), b.Bind("running", running), Channels, GuidedChannels: 0, moment);
        // What the cases vary beside what combinations offer goes to the op itself.
        Combination? combination = original || perChannel ? null
            : !mixes ? new ProjectedCombination(options.Momentum, options.Threshold, options.Eta, options.Rescale)
            : ProjectedCombination.Mixed(
                lateScale.GetDouble(), (int)Number("adaptive_projected_guidance_start_step"), options.Momentum, options.Threshold, options.Eta, options.Rescale);
        if (combination is null) b.ProjectedGuidance(slot, inputs.Prediction, inputs.BranchRow, Channels, inputs.Weight, momentum ? inputs.Memory : null);
        else combination.Record(b, inputs);
        using var plan = b.Build();
        for (int step = 0; step < Steps; step++)
        {
            bool on = (int)(Number("start") * Steps) <= step && step < (int)(Number("stop") * Steps);
            bool plain = mixes && step <= Number("adaptive_projected_guidance_start_step");
            double scale = mixes && !plain && combination is null ? lateScale.GetDouble() : Number("guidance_scale");
            float w = on ? (float)(original ? scale : scale - 1) : 0;
            kernels.Upload(ReferenceCase.ToNhwc([.. At(conditional, step), .. At(unconditional, step)], 2 * Samples, Channels, Size, Size), prediction);
            kernels.Upload((int[])(on ? [2, 3] : [-1, -1]), branchRow);
            kernels.Upload((float[])[1, w, 1, w], weight);
            (slot.Value, moment.Value) = (options with { Plain = plain }, new GuidanceMoment(step, Steps, 0));
            plan.Run();
            Assert.That(weight.Span.ToArray(), Is.EqualTo(new float[] { 1, 0, 1, 0 }));
            float[] want = ReferenceCase.ToNhwc(At(expected, step), Samples, Channels, Size, Size);
            ReferenceCase.AssertClose(prediction.Rows(0, Samples).Span.ToArray(), want, 1e-4, $"step {step}");
        }
    }

    private static float[] At(float[] steps, int step) => steps[(step * Samples * Row)..((step + 1) * Samples * Row)];
}
