using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Schedules;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Guiders;

/// <summary>Combinations that put the guided prediction in place of the conditional one, in whole samplers.</summary>
[TestFixture]
public sealed class CombinationTests
{
    private static readonly NoiseLevel[] Levels = TinyModel.Settings.Discrete().Respace(Spacing.Section(1000, "8")).Levels();

    [Test]
    public void Projected_guidance_without_momentum_is_that_by_weights() =>
        AssertClose(Sample(new ProjectedCombination(0, 5, 0.2, 0.3), 2), Sample(ReweightedCombination.Projected(5, 0.2, 0.3), 2), 1e-4);

    [Test]
    public void Bands_of_one_scale_are_plain_guidance() =>
        AssertClose(Sample(new FrequencyCombination([new FrequencyBand(3), new FrequencyBand(3), new FrequencyBand(3)]), 2), Sample(null, 2), 1e-3);

    [Test]
    public void Momentum_and_bands_change_images_and_a_sample_does_not_depend_on_its_batch()
    {
        foreach (Combination combination in new Combination[] { new ProjectedCombination(), new ProjectedCombination(-0.3, 2, 0.1, 0.5, perChannel: true), new FrequencyCombination() })
        {
            float[][] one = Sample(combination, 1), three = Sample(combination, 3);
            Assert.That(one, Is.EqualTo(three), combination.Name);
            Assert.That(one[0], Has.All.Matches<float>(float.IsFinite));
            Assert.That(one[0], Is.Not.EqualTo(Sample(null, 1)[0]), combination.Name);
        }
        Assert.That(Sample(new ProjectedCombination(-0.5, 5), 1)[0], Is.Not.EqualTo(Sample(new ProjectedCombination(0, 5), 1)[0]), "momentum");
    }

    [Test]
    public void A_mix_is_plain_guidance_until_its_step_and_has_a_scale_of_its_own_after()
    {
        float[][] plain = Sample(null, 2);
        Assert.That(Sample(ProjectedCombination.Mixed(lastPlainStep: 100), 2)[0], Is.EqualTo(plain[0]).Within(1e-4), "never projected");
        Assert.That(Sample(ProjectedCombination.Mixed(scale: 1, lastPlainStep: 0), 2)[0], Is.EqualTo(plain[0]).Within(1e-4), "a scale that is none");
        float[][] mixed = Sample(ProjectedCombination.Mixed(scale: 3, lastPlainStep: 3), 2), other = Sample(ProjectedCombination.Mixed(scale: 5, lastPlainStep: 3), 2);
        Assert.That(mixed[0], Is.Not.EqualTo(plain[0]));
        Assert.That(mixed[0], Is.Not.EqualTo(other[0]));
        Assert.That(mixed[2], Is.EqualTo(plain[2]), "an image without guidance has none");
        Assert.That(ProjectedCombination.Mixed(lastPlainStep: 0, momentum: 0.5).Name, Is.EqualTo("apg-mix"));
        Assert.That(Sample(ProjectedCombination.Mixed(scale: 4, lastPlainStep: 2), 1), Is.EqualTo(Sample(ProjectedCombination.Mixed(scale: 4, lastPlainStep: 2), 3)));
        Assert.That(() => ProjectedCombination.Mixed(double.NaN), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => ProjectedCombination.Mixed(lastPlainStep: -1), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void A_band_outside_its_interval_is_conditional()
    {
        FrequencyBand[] bands = [new(3), new(2, 0.5)];
        GuidanceInterval never = GuidanceInterval.Steps(1, 0), always = GuidanceInterval.Everywhere, late = GuidanceInterval.Steps(4, 7);
        Combination At(params GuidanceInterval[] when) => new FrequencyCombination(bands, when: when);
        AssertClose(Sample(At(always, always), 2), Sample(new FrequencyCombination(bands), 2), 1e-6);
        AssertClose(Sample(At(never, always), 2), Sample(new FrequencyCombination([new(1), bands[1]]), 2), 1e-4);
        AssertClose(Sample(At(always, never), 2), Sample(new FrequencyCombination([bands[0], new(1)]), 2), 1e-4);
        Assert.That(Sample(At(late, always), 1)[0], Is.Not.EqualTo(Sample(At(always, always), 1)[0]));
        Assert.That(() => new FrequencyCombination(bands, when: [always]), Throws.ArgumentException.With.Message.Contains("got 1"));
    }

    [Test]
    public void A_dynamic_threshold_bounds_the_image()
    {
        float[] image = Sample(null, 1, new DynamicThreshold(0.9))[0], free = Sample(null, 1)[0];
        Assert.That(image.Max(MathF.Abs), Is.LessThanOrEqualTo(1 + 1e-5f));
        Assert.That(image, Is.Not.EqualTo(free));
    }

    [Test]
    public void Numbers_out_of_range_and_sizes_that_do_not_halve_are_refused()
    {
        Assert.That(() => new ProjectedCombination(threshold: -1), Throws.ArgumentException.With.Message.Contains("-1"));
        Assert.That(() => new ProjectedCombination(phi: 2), Throws.ArgumentException.With.Message.Contains("2"));
        Assert.That(() => Sample(new FrequencyCombination([new(2), new(2), new(2), new(2)]), 1), Throws.ArgumentException.With.Message.Contains("8 x 8"));
        Assert.That(() => Sample(new FrequencyCombination([]), 1), Throws.ArgumentException.With.Message.Contains("got 0"));
        Assert.That(() => Sample(new FrequencyCombination([new(double.NaN)]), 1), Throws.ArgumentException.With.Message.Contains("NaN"));
    }

    /// <summary>Two guided samples and one that is not.</summary>
    private static float[][] Sample(Combination? combination, int batch, DynamicThreshold? threshold = null)
    {
        using var kernels = new CpuKernels(2);
        using var model = TinyModel.CreateRandom(kernels);
        var guidance = Guidance.ClassifierFree() with { Combination = combination, Threshold = threshold };
        using var sampler = new GuidedSampler(
            model, Samplers.Ddim(Levels, TinyModel.Settings.Prediction, clip: false, rederiveEps: true), new GuidedSamplerOptions { Batch = batch, Seed = 5, Guidance = guidance });
        float[][] states = new float[3][];
        sampler.Sample([new(1, new GuidanceScale(3), 0), new(2, new GuidanceScale(3), 1), new(0, new GuidanceScale(1), 2)], (i, state) => states[i] = state.ToArray());
        return states;
    }

    private static void AssertClose(float[][] got, float[][] expected, double tolerance)
    {
        for (int n = 0; n < got.Length; n++)
            for (int i = 0; i < got[n].Length; i++) Assert.That(got[n][i], Is.EqualTo(expected[n][i]).Within(tolerance), $"sample {n}, element {i}");
    }
}
