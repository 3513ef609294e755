using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Guiders;

/// <summary>Settings at which one method is another, or nothing at all, in whole samplers.</summary>
[TestFixture]
public sealed class GuidanceIdentityTests
{
    private static readonly SampleRequest[] Requests = [new(1, new GuidanceScale(2.5), 0), new(2, new GuidanceScale(1.5), 1)];

    private CpuKernels _kernels = null!;
    private DiffusionModel _model = null!, _weak = null!;

    [SetUp]
    public void Start()
    {
        _kernels = new CpuKernels(1);
        (_model, _weak) = (TinyModel.CreateRandom(_kernels), TinyModel.Create(_kernels));
    }

    [TearDown]
    public void End()
    {
        _model.Dispose();
        _weak.Dispose();
        _kernels.Dispose();
    }

    [Test]
    public void Combinations_at_their_neutral_settings_are_plain_guidance()
    {
        float[][] plain = Sample(Guidance.ClassifierFree());
        Combination[] neutral =
        [
            ReweightedCombination.Rescale(0), ReweightedCombination.Projected(0, 1), new ProjectedCombination(momentum: 0, threshold: 0, eta: 1), ReweightedCombination.Magnitude(0),
            ProjectedCombination.Mixed(lastPlainStep: 99),
        ];
        foreach (var combination in neutral) AssertClose(Sample(Guidance.ClassifierFree() with { Combination = combination }), plain, 2e-4, combination.Name);
    }

    [Test]
    public void What_moves_away_by_nothing_is_not_there()
    {
        float[][] none = Sample(Guidance.None);
        Guidance[] nothing =
        [
            new() { Branches = [new WeakBranch(_weak, new GuidanceScale(1))] }, new() { Branches = [new PerturbedBranch(PerturbationKind.IdentityAttention, 0)] },
            Guidance.ClassifierFree(GuidanceInterval.Steps(1, 0)), Guidance.ClassifierFree(GuidanceSchedule.Of(_ => 0)),
            Guidance.ClassifierFree(GuidanceInterval.Fractions(0.5, 0.5)), new() { Branches = [], Rules = [new ScoreScaleRule(1), new NoiseTemperatureRule(1)] },
        ];
        for (int i = 0; i < nothing.Length; i++) Assert.That(Sample(nothing[i]), Is.EqualTo(none), $"{i}: {nothing[i]}");
        Assert.That(Sample(Guidance.ClassifierFree(GuidanceInterval.Steps(0, 99))), Is.EqualTo(Sample(Guidance.ClassifierFree())), "everywhere");
    }

    [Test]
    public void The_order_of_branches_is_no_matter_and_a_weak_model_alike_is_none()
    {
        Branch[] three = [new NullBranch(), new WeakBranch(_weak, new GuidanceScale(1.4)), new PerturbedBranch(PerturbationKind.SkippedBlock, 0.3)];
        float[][] expected = Sample(new Guidance { Branches = three });
        foreach (int[] order in new int[][] { [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0] })
            AssertClose(Sample(new Guidance { Branches = [.. order.Select(i => three[i])] }), expected, 1e-3, string.Join(" ", order));
        AssertClose(Sample(new Guidance { Branches = [new WeakBranch(_model, new GuidanceScale(3))] }), Sample(Guidance.None), 1e-4, "p0 - p0");
        // A model before the null class of the model itself, and behind it.
        Assert.That(Sample(new Guidance { Branches = [new WeakBranch(_weak), new NullBranch()] })[0], Is.Not.EqualTo(Sample(Guidance.ClassifierFree())[0]));
    }

    // With the guided noise put back, lambda 1 is the conditional clean sample and the null class's noise.
    [Test]
    public void Cfg_plus_plus_at_one_is_the_conditional_sample_and_null_noise()
    {
        var table = new SamplerSettings { Kind = SamplerKind.Ddim, Steps = 4, Clip = false }.Build(_model, new Guidance { Rules = [new CfgPlusPlusRule()] });
        var changed = table.With(new CfgPlusPlusRule().Apply);
        foreach (var (before, after) in table.Rows.Zip(changed.Rows))
        {
            double z = 0.7, c = 0.3, u = -0.2;
            double Step(SamplerRow r, double g) => r.A * z + r.B * (r.XFromZ * z + r.XFromG * g) + r.F * u;
            double x = before.XFromZ * z + before.XFromG * c, unguided = before.XFromZ * z + before.XFromG * u;
            // The state goes on from the conditional sample as if the null class's had been predicted.
            double noise = (z - before.Alpha * unguided) / before.Sigma, weightOfNoise = before.A * before.Sigma, weightOfSample = before.B + before.A * before.Alpha;
            Assert.That(Step(after, c), Is.EqualTo(weightOfSample * x + weightOfNoise * noise).Within(1e-9));
        }
    }

    private float[][] Sample(Guidance guidance)
    {
        using var sampler = new GuidedSampler(_model, new SamplerSettings { Kind = SamplerKind.Ddim, Steps = 4, Eta = 0.5 }, new GuidedSamplerOptions { Guidance = guidance, Batch = 2, Seed = 8 });
        float[][] images = new float[Requests.Length][];
        sampler.Sample(Requests, (i, pixels) => images[i] = pixels.ToArray());
        return images;
    }

    private static void AssertClose(float[][] got, float[][] expected, double tolerance, string what)
    {
        for (int n = 0; n < got.Length; n++) Assert.That(got[n], Is.EqualTo(expected[n]).Within(tolerance), what);
    }
}
