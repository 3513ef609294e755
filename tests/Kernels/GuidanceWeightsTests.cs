using NativeDiffusion.Kernels;
using NUnit.Framework;
using static NativeDiffusion.Kernels.GuidanceWeightsKind;

namespace NativeDiffusion.Tests.Kernels;

/// <summary>What the op suite's cases do not show of the corrected weights: absent branches, limits, rows by themselves, errors.</summary>
[TestFixture]
public sealed class GuidanceWeightsTests
{
    private static readonly Shape Image = new(1, 5, 5, 3);
    private static readonly GuidanceWeightsKind[] Kinds = Enum.GetValues<GuidanceWeightsKind>();

    [TestCaseSource(nameof(Kinds))]
    public void A_sample_has_the_same_weights_alone_and_beside_others(GuidanceWeightsKind kind)
    {
        var options = Options(kind) with { Rescale = 0.5f };
        float[] prediction = Random(6), weight = [1, 2, 3, 1, 4, 5];
        float[] both = Run(options, prediction, [2, 3, 4, 5], weight, branches: 2);
        float[] second = Run(options, [.. Row(prediction, 1), .. Row(prediction, 4), .. Row(prediction, 5)], [1, 2], weight[3..], branches: 2);
        Assert.That(both[3..], Is.EqualTo(second));
        Assert.That(both[..3], Is.Not.EqualTo(weight[..3]));
    }

    [TestCaseSource(nameof(Kinds))]
    public void Without_its_branch_or_weight_a_sample_keeps_its_weights(GuidanceWeightsKind kind)
    {
        var options = Options(kind) with { Rescale = 0.7f };
        // What is not used may hold anything.
        float[] prediction = [.. Random(2), .. Enumerable.Repeat(float.NaN, (int)Image.Count)];
        float[] weight = [1, 0, 1, 0];
        Assert.That(Run(options, prediction, [-1, 2], weight), Is.EqualTo(weight));
    }

    [TestCaseSource(nameof(Kinds))]
    public void A_zero_step_stays_zero(GuidanceWeightsKind kind) =>
        Assert.That(Run(Options(kind) with { Rescale = 0.7f }, Random(2), [1], [0, 0]), Is.EqualTo(new[] { 0f, 0f }));

    [TestCaseSource(nameof(Kinds))]
    public void Only_the_first_branch_is_corrected(GuidanceWeightsKind kind)
    {
        float[] result = Run(Options(kind), Random(3), [1, 2], [1, 2, 3], branches: 2);
        Assert.That(result[2], Is.EqualTo(3));
        Assert.That(result[1], kind == Plain ? Is.EqualTo(2f) : Is.Not.EqualTo(2f));
    }

    [TestCase(ZeroStar, new[] { 4f, 0f })]
    [TestCase(Tangential, new[] { 4f, 0f })]
    [TestCase(Magnitude, new[] { 1f, 0f })]
    public void Another_prediction_of_zero(GuidanceWeightsKind kind, float[] expected) =>
        Assert.That(Run(Options(kind), [.. Random(1), .. new float[Image.Count]], [1], [1, 3]), Is.EqualTo(expected));

    [TestCaseSource(nameof(Kinds))]
    public void Equal_predictions_are_what_they_are_and_zeros_stay_finite(GuidanceWeightsKind kind)
    {
        var options = Options(kind) with { Rescale = 1 };
        float[] one = Random(1);
        float[] weights = Run(options, [.. one, .. one], [1], [1, 3]);
        Assert.That(weights[0], Is.EqualTo(1).Within(1e-6), "p0 times m, for p0 - p1 is 0");
        Assert.That(Run(options, new float[2 * Image.Count], [1], [1, 3]), Has.All.Matches<float>(float.IsFinite));
        float[] constants = [.. Enumerable.Repeat(0.1f, (int)Image.Count), .. Enumerable.Repeat(0.3f, (int)Image.Count)];
        Assert.That(Run(options, constants, [1], [1, 3]), Is.EqualTo(Run(Options(kind), constants, [1], [1, 3])), "a prediction without spread is left as it is");
    }

    [TestCaseSource(nameof(Kinds))]
    public void A_nan_in_a_prediction_does_not_vanish(GuidanceWeightsKind kind)
    {
        foreach (int at in new[] { 3, (int)Image.Count + 40 })
        {
            float[] prediction = Random(2);
            prediction[at] = float.NaN;
            float[] w = Run(Options(kind) with { Rescale = 0.5f }, prediction, [1], [1, 3]);
            Assert.That(w[0] + w[1], Is.NaN, $"{kind}, element {at}");
        }
    }

    [Test]
    public void Options_and_rows_out_of_range_are_errors()
    {
        void Refused(GuidanceWeightsOptions options, string text, int row = 1) =>
            Assert.That(() => Run(options, Random(2), [row], [1, 3]), Throws.ArgumentException.With.Message.Contains(text));
        Refused(new() { Rescale = 1.5f }, "1.5");
        Refused(new() { Rescale = float.NaN }, "NaN");
        Refused(new() { Alpha = -1 }, "-1");
        Refused(new() { Threshold = -2 }, "-2");
        Refused(new() { Eta = float.PositiveInfinity }, "Eta");
        Refused(new() { GuidedChannels = 4 }, "4 of 3");
        Refused(new() { Kind = (GuidanceWeightsKind)9 }, "9");
        Refused(new() { Rescale = 0.5f }, "row 2", row: 2);
    }

    private static GuidanceWeightsOptions Options(GuidanceWeightsKind kind) => new() { Kind = kind, Alpha = 2, Threshold = 3, Eta = 0.4f };

    private static float[] Random(int rows)
    {
        float[] values = new float[rows * Image.Count];
        Philox.Fill(values, 3, 1, 0, RandomStream.InitialNoise);
        return values;
    }

    private static float[] Row(float[] prediction, int row) => prediction[(row * (int)Image.Count)..((row + 1) * (int)Image.Count)];

    private static float[] Run(GuidanceWeightsOptions options, float[] prediction, int[] rows, float[] weight, int branches = 1)
    {
        using IKernels kernels = new CpuKernels(2);
        using var memory = kernels.Allocate(4096);
        int samples = rows.Length / branches;
        var p = new TensorView(memory, 0, Image.WithBatch(prediction.Length / (int)Image.Count));
        TensorView r = new(memory, 2048, new Shape(samples, branches)), w = new(memory, 3072, new Shape(samples, 1 + branches));
        kernels.Upload(prediction, p);
        kernels.Upload(rows, r);
        kernels.Upload(weight, w);
        kernels.GuidanceWeights(options, p, r, Image.Channels, w);
        return w.Span.ToArray();
    }
}
