using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Kernels;

[TestFixture]
public sealed class ProjectedGuidanceTests
{
    [Test]
    public void Without_projection_it_is_plain_guidance()
    {
        float[] p = Run(new(), [3, -1, 2, 5, 1, 4], 2, 1, out float[] weight);
        Assert.That(p[..3], Is.EqualTo(new float[] { 3 + 2 * (3 - 5), -1 + 2 * (-1 - 1), 2 + 2 * (2 - 4) }).Within(1e-6));
        Assert.That(p[3..], Is.EqualTo(new float[] { 5, 1, 4 }), "the other prediction stays");
        Assert.That(weight, Is.EqualTo(new float[] { 1, 0 }));
    }

    [Test]
    public void Predictions_of_zeros_and_without_difference_stay_finite()
    {
        foreach (var options in new ProjectedGuidanceOptions[] { new() { Threshold = 2, Eta = 0, Rescale = 0.5f }, new() { PerChannel = true, Eta = 0.5f, Rescale = 1 } })
        {
            Assert.That(Run(options, [0, 0, 0, 1, 2, 3], 2, 1, out _), Has.All.Matches<float>(float.IsFinite));
            Assert.That(Run(options, new float[6], 2, 1, out _), Has.All.Zero);
            Assert.That(Run(options, [1, 2, 3, 1, 2, 3], 2, 1, out _)[..3], Is.EqualTo(new float[] { 1, 2, 3 }).Within(1e-6));
        }
    }

    [Test]
    public void A_nan_does_not_vanish()
    {
        for (int at = 0; at < 6; at++)
        {
            float[] prediction = [3, -1, 2, 5, 1, 4];
            prediction[at] = float.NaN;
            Assert.That(Run(new() { Threshold = 1, Eta = 0, Rescale = 0.5f }, prediction, 2, 1, out _)[..3], Has.All.NaN, $"element {at}");
        }
    }

    [Test]
    public void Options_and_rows_out_of_range_are_errors()
    {
        void Refused(ProjectedGuidanceOptions options, string text, int row = 1) =>
            Assert.That(() => Run(options, new float[6], 2, row, out _), Throws.ArgumentException.With.Message.Contains(text));
        Refused(new() { Rescale = 1.5f }, "1.5");
        Refused(new() { Threshold = -2 }, "-2");
        Refused(new() { Eta = float.NaN }, "Eta");
        Refused(new() { Momentum = float.PositiveInfinity }, "momentum");
        Refused(new() { GuidedChannels = 4 }, "4 of 3");
        Refused(new(), "row 2", row: 2);
        Refused(new(), "row 0", row: 0);
    }

    /// <summary>One sample of one pixel with one branch.</summary>
    private static float[] Run(ProjectedGuidanceOptions options, float[] prediction, float strength, int row, out float[] weight)
    {
        using IKernels kernels = new CpuKernels(1);
        using var memory = kernels.Allocate(64);
        TensorView p = new(memory, 0, new Shape(2, 1, 1, 3)), r = new(memory, 16, new Shape(1, 1)), w = new(memory, 32, new Shape(1, 2));
        kernels.Upload(prediction, p);
        kernels.Upload((int[])[row], r);
        kernels.Upload((float[])[1, strength], w);
        kernels.ProjectedGuidance(options, p, r, 3, w, default);
        weight = w.Span.ToArray();
        return p.Span.ToArray();
    }
}
