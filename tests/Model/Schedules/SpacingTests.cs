using NativeDiffusion.Model.Schedules;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Schedules;

internal sealed class SpacingTests
{
    [Test]
    public void SectionMatchesReferenceCases()
    {
        // timestep_map of sample_cfg_ddpm_linear, sample_ddpm_cosine_guided and sample_ddim_linear_guided.
        Assert.That(Spacing.Section(1000, "6"), Is.EqualTo(new[] { 0, 200, 400, 599, 799, 999 }));
        Assert.That(Spacing.Section(1000, "5"), Is.EqualTo(new[] { 0, 250, 500, 749, 999 }));
        Assert.That(Spacing.DdimN(1000, 5), Is.EqualTo(new[] { 0, 200, 400, 600, 800 }));
    }

    [Test]
    public void SectionRules()
    {
        Assert.That(Spacing.Section(1000, "1000"), Is.EqualTo(Enumerable.Range(0, 1000)));
        Assert.That(Spacing.Section(1000, "250"), Has.Length.EqualTo(250).And.Ordered);
        Assert.That(Spacing.Section(1000, "250")[^1], Is.EqualTo(999));
        // 10 timesteps in 3 sections: 4, 3, 3.
        Assert.That(Spacing.Section(10, "2, 1,3"), Is.EqualTo(new[] { 0, 3, 4, 7, 8, 9 }));
        Assert.That(Spacing.Section(1000, "1"), Is.EqualTo(new[] { 0 }));
        // Stride 2.5: 2.5 and 7.5 round to even.
        Assert.That(Spacing.Section(11, "5"), Is.EqualTo(new[] { 0, 2, 5, 8, 10 }));
        Assert.That(() => Spacing.Section(10, "11"), Throws.ArgumentException.With.Message.Contains("11"));
        Assert.That(() => Spacing.Section(10, "ddim5"), Throws.ArgumentException.With.Message.Contains("ddim5"));
        Assert.That(() => Spacing.Section(10, "-2"), Throws.ArgumentException);
    }

    [Test]
    public void DdimNRules()
    {
        Assert.That(Spacing.DdimN(1000, 25), Is.EqualTo(Enumerable.Range(0, 25).Select(i => 40 * i)));
        Assert.That(() => Spacing.DdimN(1000, 300), Throws.ArgumentException.With.Message.Contains("300"));
    }

    [Test]
    public void DiffusersRules()
    {
        Assert.That(Spacing.Leading(1000, 5), Is.EqualTo(new[] { 0, 200, 400, 600, 800 }));
        Assert.That(Spacing.Leading(1000, 3, offset: 1), Is.EqualTo(new[] { 1, 334, 667 }));
        Assert.That(() => Spacing.Leading(10, 10, 1), Throws.ArgumentException);
        Assert.That(Spacing.Trailing(1000, 5), Is.EqualTo(new[] { 199, 399, 599, 799, 999 }));
        Assert.That(Spacing.Trailing(1000, 3), Is.EqualTo(new[] { 332, 666, 999 }));
        Assert.That(Spacing.Trailing(1000, 1), Is.EqualTo(new[] { 999 }));
        Assert.That(Spacing.Linspace(1000, 5), Is.EqualTo(new[] { 0, 250, 500, 749, 999 }));
        Assert.That(() => Spacing.Linspace(1000, 1), Throws.ArgumentException);
    }

    [Test]
    public void QuadraticDropsRepeats()
    {
        Assert.That(Spacing.Quadratic(1000, 5), Is.EqualTo(new[] { 0, 50, 200, 450, 800 }).Or.EqualTo(new[] { 0, 50, 200, 449, 800 }));
        Assert.That(Spacing.Quadratic(1000, 100), Is.Unique.And.Ordered);
        Assert.That(Spacing.Quadratic(1000, 5, offset: 1)[0], Is.EqualTo(1));
    }

    [Test]
    public void ContinuousRules()
    {
        Assert.That(Spacing.UniformU(5), Is.EqualTo(new[] { 1, 0.75, 0.5, 0.25, 0 }));
        double[] sigmoid = Spacing.Sigmoid(), raw = Spacing.Sigmoid(rawTutorialRange: true);
        Assert.That((sigmoid[0], sigmoid[^1], sigmoid.Length), Is.EqualTo((1.0, 0.0, 50)));
        Assert.That(sigmoid, Is.Ordered.Descending);
        Assert.That(sigmoid[0] - sigmoid[1], Is.LessThan(sigmoid[24] - sigmoid[25]), "dense at the ends");
        Assert.That((raw[0], raw[^1]), Is.EqualTo((0.99331, 0.00669)).Within(1e-5));
        Assert.That(Spacing.LogSnrUniform(3, -10, 6), Is.EqualTo(new double[] { -10, -2, 6 }));
        Assert.That(Spacing.Exponential(3, 0.01, 100), Is.EqualTo(new[] { 100, 1, 0.01 }).Within(1e-12));
    }

    [Test]
    public void PowersOfTheStepsLeft()
    {
        Assert.That(Spacing.PolyExponential(5, 0.01, 100), Is.EqualTo(Spacing.Exponential(5, 0.01, 100)), "rho 1, bit by bit");
        double[] sigmas = Spacing.PolyExponential(3, 0.01, 100, 2);
        Assert.That((sigmas[0], sigmas[2]), Is.EqualTo((100.0, 0.01)).Within(1e-12));
        Assert.That(sigmas[1], Is.EqualTo(0.01 * Math.Pow(1e4, 0.25)).Within(1e-12), "the square of half the steps");
        Assert.That(Spacing.PolyExponential(1, 0.01, 100, 3), Is.EqualTo(new[] { 100.0 }).Within(1e-12));
        foreach (double rho in new[] { 0, -1, double.NaN, double.PositiveInfinity })
        {
            Assert.That(() => Spacing.PolyExponential(3, 0.01, 100, rho), Throws.ArgumentException.With.Message.Contains("rho"));
            Assert.That(() => Spacing.Karras(3, 0.01, 100, rho), Throws.ArgumentException.With.Message.Contains("rho"));
        }
    }

    [Test]
    public void EvenTimesOfTheSde()
    {
        double[] sigmas = Spacing.VariancePreserving(3);
        double Level(double t) => Math.Sqrt(Math.Exp(19.9 * t * t / 2 + 0.1 * t) - 1);
        Assert.That(sigmas, Is.EqualTo(new[] { Level(1), Level((1 + 1e-3) / 2), Level(1e-3) }).Within(1e-9));
        Assert.That(() => Spacing.VariancePreserving(3, betaMin: 0), Throws.ArgumentException);
        Assert.That(() => Spacing.VariancePreserving(3, tMin: 2), Throws.ArgumentException.With.Message.Contains("tMin"));
    }

    [Test]
    public void KarrasMatchesReferenceCase()
    {
        // sigmas of the case sample_edm_heun, without the final 0.
        double[] expected = [80.0, 24.408341786580095, 5.838947631011886, 0.9654169263318955, 0.08508720268939021, 0.002000000000000003];
        Assert.That(Spacing.Karras(6), Is.EqualTo(expected).Within(1e-12));
        Assert.That(() => Spacing.Karras(6, 2, 1), Throws.ArgumentException);
    }
}
