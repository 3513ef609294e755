using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Schedules;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Sampling;

/// <summary>Which levels the settings make of a sampler, a number of steps and a model.</summary>
internal sealed class SamplerSettingsTests
{
    private static readonly DiffusionSettings Continuous = TinyModel.Settings with { Schedule = NoiseScheduleKind.Continuous };
    private static readonly DiffusionSettings Iddpm = TinyModel.Settings with { Schedule = NoiseScheduleKind.Iddpm };

    private static IEnumerable<DiffusionSettings> Models =>
        from kind in Enum.GetValues<NoiseScheduleKind>() select TinyModel.Settings with { Schedule = kind };

    private static IEnumerable<SamplerKind> KindsFor(DiffusionSettings settings) =>
        Enum.GetValues<SamplerKind>().Where(k => k != SamplerKind.Ancestral || settings.Schedule is NoiseScheduleKind.Linear or NoiseScheduleKind.Cosine);

    private static SamplerTable Build(SamplerSettings settings, DiffusionSettings? of = null)
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.Create(kernels, settings: of ?? TinyModel.Settings);
        return settings.Build(model);
    }

    [TestCaseSource(nameof(Models))]
    public void OneStepIsTheCleanPredictionFromTheNoisiestLevel(DiffusionSettings settings)
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.CreateRandom(kernels, settings: settings);
        double noisiest = Math.Min(settings.NoiseSchedule().SigmaRange.Greatest, settings.Schedule == NoiseScheduleKind.Continuous ? Math.Exp(10) : settings.HasSigmas ? 80 : double.PositiveInfinity);
        float[]? first = null;
        foreach (var kind in KindsFor(settings))
        {
            using var sampler = new GuidedSampler(model, new SamplerSettings { Kind = kind, Steps = 1 });
            Assert.That(sampler.Table.Rows, Has.Count.EqualTo(1));
            SamplerRow row = sampler.Table.Rows[0];
            Assert.That((row.A, row.B, row.C, row.E), Is.EqualTo((0.0, 1.0, 0.0, 0.0)).Within(1e-12), $"{kind}: x itself");
            Assert.That(Conversions.LogSnrToSigmaEdm(row.LogSnr) / noisiest, Is.EqualTo(1).Within(settings.Schedule == NoiseScheduleKind.Iddpm ? 0.05 : 1e-9), $"{kind}");
            float[] image = [];
            sampler.Sample([new SampleRequest(1, new GuidanceScale(2), 3)], (_, pixels) => image = pixels.ToArray());
            first ??= image;
            // In EDM scale the state is larger by the level, which rounds otherwise.
            for (int i = 0; i < image.Length; i++) Assert.That(image[i], Is.EqualTo(first[i]).Within(1e-2), $"{kind}");
        }
    }

    [TestCaseSource(nameof(Models))]
    public void AsManyStepsRunAsAreAskedFor(DiffusionSettings settings)
    {
        foreach (var kind in KindsFor(settings))
            foreach (int steps in new[] { 1, 2, 3, 5, 10, 250, 1000 })
            {
                SamplerTable table = Build(new SamplerSettings { Kind = kind, Steps = steps }, settings);
                bool twice = kind is SamplerKind.Heun or SamplerKind.Dpm2 or SamplerKind.Dpm2Ancestral or SamplerKind.DpmSolver2SAncestral or SamplerKind.DpmSolverSde;
                Assert.That((table.Steps, table.Rows.Count), Is.EqualTo((steps, twice ? 2 * steps - 1 : steps)), $"{kind}, {steps} steps");
            }
    }

    [Test]
    public void DenseSpacingsRepeatNoTimestepAndNoSpacingTakesMoreThanThereAre([Values] SpacingKind spacing)
    {
        var settings = new SamplerSettings { Kind = SamplerKind.Ddim, Spacing = spacing };
        foreach (int steps in new[] { 250, 500, 1000 })
        {
            SamplerTable table = Build(settings with { Steps = steps });
            Assert.That(table.Steps, Is.EqualTo(steps));
            Assert.That(table.Rows.Select(r => r.LogSnr), Is.Ordered.Ascending.And.Unique);
        }
        Assert.That(() => Build(settings with { Steps = 1001 }), Throws.ArgumentException.With.Message.Contains("1001").And.Message.Contains("1000"));
        Assert.That(() => Build(settings with { Steps = 0 }), Throws.ArgumentException.With.Message.Contains("0"));
    }

    [Test]
    public void SigmaSamplersTakeKarrasLevelsUnlessToldOtherwise()
    {
        foreach (var settings in new[] { TinyModel.Settings, Continuous })
        {
            foreach (var kind in new[] { SamplerKind.Euler, SamplerKind.EulerAncestral, SamplerKind.Heun })
            {
                SamplerTable table = Build(new SamplerSettings { Kind = kind, Steps = 20 }, settings);
                double least = Math.Max(0.002, settings.NoiseSchedule().SigmaRange.Least);
                Assert.That(table.InitialScale, Is.EqualTo(80).Within(1e-9), $"{kind}");
                Assert.That(table.Rows.Select(r => Conversions.LogSnrToSigmaEdm(r.LogSnr)).Distinct().Min(), Is.EqualTo(least).Within(1e-9), $"{kind}");
            }
            Assert.That(Build(new SamplerSettings(), settings).Rows[0].LogSnr, Is.LessThan(-15), "the whole schedule");
        }
    }

    [Test]
    public void HeunTakesNoStepThatMultipliesTheNetworksErrors([Values(2, 3, 4, 5, 20)] int steps, [Values] bool even)
    {
        foreach (var settings in Models)
        {
            SamplerTable table = Build(new SamplerSettings { Kind = SamplerKind.Heun, Steps = steps, Spacing = even ? SpacingKind.LogSnrUniform : null }, settings);
            double[] sigmas = [.. table.Rows.Where((_, i) => i % 2 == 0).Select(r => Conversions.LogSnrToSigmaEdm(r.LogSnr))];
            for (int i = 1; i < steps; i++) Assert.That(sigmas[i - 1] / sigmas[i], Is.LessThan(settings.Schedule == NoiseScheduleKind.Iddpm ? 120 : 100.001), $"{settings.Schedule}");
        }
        foreach (var spacing in new[] { SpacingKind.Uniform, SpacingKind.Section, SpacingKind.UniformU, SpacingKind.Sigmoid })
            Assert.That(() => Build(new SamplerSettings { Kind = SamplerKind.Heun, Steps = steps, Spacing = spacing }), Throws.ArgumentException.With.Message.Contains("karras"));
    }

    [Test]
    public void TheExponentMovesLevelsAndBelongsToTheRulesThatHaveOne()
    {
        double[] Sigmas(SpacingKind spacing, double? rho, SamplerKind kind = SamplerKind.Euler) =>
            [.. Build(new SamplerSettings { Kind = kind, Steps = 6, Spacing = spacing, Rho = rho }).Rows.Where(r => r.Evaluates).Select(r => Conversions.LogSnrToSigmaEdm(r.LogSnr)).Distinct()];
        foreach (var spacing in new[] { SpacingKind.Karras, SpacingKind.PolyExponential })
        {
            double[] less = Sigmas(spacing, 0.8), more = Sigmas(spacing, 9);
            Assert.That((less[0], less[^1]), Is.EqualTo((more[0], more[^1])).Within(1e-9), "the same range");
            Assert.That(more[3], Is.LessThan(less[3]), "more levels at the clean end");
        }
        Assert.That(Sigmas(SpacingKind.PolyExponential, null), Is.EqualTo(Sigmas(SpacingKind.LogSnrUniform, null)));
        Assert.That(Sigmas(SpacingKind.Karras, 7), Is.EqualTo(Sigmas(SpacingKind.Karras, null)));
        double[] sde = Sigmas(SpacingKind.VariancePreserving, null), heun = Sigmas(SpacingKind.PolyExponential, 5, SamplerKind.Heun);
        Assert.That(sde, Is.Ordered.Descending.And.Unique);
        Assert.That(heun.Zip(heun.Skip(1), (a, b) => a / b), Has.All.LessThan(100.001));
        Assert.That(() => Sigmas(SpacingKind.Uniform, 2), Throws.ArgumentException.With.Message.Contains("polyexponential"));
        Assert.That(() => Build(new SamplerSettings { Kind = SamplerKind.Ancestral, Rho = 2 }), Throws.ArgumentException.With.Message.Contains("leave it out"));
        Assert.That(() => Sigmas(SpacingKind.Karras, double.NaN), Throws.ArgumentException.With.Message.Contains("NaN"));
    }

    [Test]
    public void DiffusersSpacingsLeaveOutTheCleanestOfMultistepSamplers()
    {
        double[] Timesteps(SamplerKind kind, SpacingKind spacing, int offset = 0) =>
            [.. Build(new SamplerSettings { Kind = kind, Steps = 7, Spacing = spacing, StepsOffset = offset }).Rows.Select(r => r.Timestep)];
        Assert.That(Timesteps(SamplerKind.Ddim, SpacingKind.Leading, 1), Is.EqualTo(new double[] { 853, 711, 569, 427, 285, 143, 1 }));
        Assert.That(Timesteps(SamplerKind.UniPC, SpacingKind.Leading, 1), Is.EqualTo(new double[] { 876, 751, 626, 501, 376, 251, 126 }));
        Assert.That(Timesteps(SamplerKind.Ddim, SpacingKind.Trailing), Is.EqualTo(new double[] { 999, 856, 713, 570, 428, 285, 142 }));
        Assert.That(Timesteps(SamplerKind.DpmSolver2M, SpacingKind.Trailing), Is.EqualTo(new double[] { 999, 856, 713, 570, 428, 285, 142 }));
        Assert.That(Timesteps(SamplerKind.Ddim, SpacingKind.Linspace), Is.EqualTo(new double[] { 999, 832, 666, 500, 333, 166, 0 }));
        Assert.That(Timesteps(SamplerKind.UniPC, SpacingKind.Linspace), Is.EqualTo(new double[] { 999, 856, 714, 571, 428, 285, 143 }));
        Assert.That(() => Timesteps(SamplerKind.Ddim, SpacingKind.Trailing, 1), Throws.ArgumentException.With.Message.Contains("leading"));
        Assert.That(() => Build(new SamplerSettings { Kind = SamplerKind.Euler, StepsOffset = 1 }), Throws.ArgumentException.With.Message.Contains("leading"));
    }

    [Test]
    public void ZeroTerminalSnrStartsFromPureNoise()
    {
        var settings = new SamplerSettings { Spacing = SpacingKind.Trailing, Steps = 5, ZeroTerminalSnr = true };
        foreach (var kind in new[] { SamplerKind.Ddim, SamplerKind.Ancestral, SamplerKind.DpmSolver2M, SamplerKind.UniPC })
        {
            SamplerTable table = Build(settings with { Kind = kind }, TinyModel.Settings with { Prediction = PredictionType.V });
            Assert.That(table.Rows[0].Alpha, Is.Zero, $"{kind}");
            Assert.That(table.Rows.All(r => double.IsFinite(r.A) && double.IsFinite(r.B) && double.IsFinite(r.P) && double.IsFinite(r.P2)), $"{kind}");
        }
        Assert.That(() => Build(settings, TinyModel.Settings with { Prediction = PredictionType.Eps }), Throws.ArgumentException.With.Message.Contains("pure noise"));
        Assert.That(() => Build(settings with { Spacing = SpacingKind.Karras }), Throws.ArgumentException.With.Message.Contains("trailing"));
        Assert.That(() => Build(settings with { Spacing = null }, Continuous), Throws.ArgumentException.With.Message.Contains("trailing"));
    }

    [Test]
    public void PublishedHeunLevelsAreKept()
    {
        SamplerTable table = Build(new SamplerSettings { Kind = SamplerKind.Heun, Steps = 6 }, TinyModel.Settings with { Schedule = NoiseScheduleKind.Edm });
        Assert.That(table.Rows.Where((_, i) => i % 2 == 0).Select(r => Conversions.LogSnrToSigmaEdm(r.LogSnr)), Is.EqualTo(Spacing.Karras(6)).Within(1e-9));
    }

    [Test]
    public void PureNoiseIsNoStateOfACleanTimestep()
    {
        Assert.That(() => Build(new SamplerSettings { Kind = SamplerKind.Ddim, Spacing = SpacingKind.DdimN, Steps = 2 }), Throws.ArgumentException.With.Message.Contains("timestep 500"));
        Assert.That(Build(new SamplerSettings { Kind = SamplerKind.Ddim, Spacing = SpacingKind.DdimN, Steps = 25 }).Rows[0].Timestep, Is.EqualTo(960));
    }

    [Test]
    public void ChurnRaisesToALevelThatTheNetworkKnows()
    {
        var known = new IddpmSchedule();
        SamplerTable table = Build(new SamplerSettings { Kind = SamplerKind.Heun, Steps = 18, Churn = new HeunChurn(7, 0.05, 50, 1.003) }, Iddpm);
        for (int i = 0; i < table.Rows.Count; i++)
        {
            double sigma = Conversions.LogSnrToSigmaEdm(table.Rows[i].LogSnr);
            Assert.That(sigma, Is.EqualTo(known.RoundSigma(sigma)).Within(1e-9 * sigma), $"row {i}");
        }
        Assert.That(table.Rows.Count(r => r.C > 0), Is.GreaterThan(5), "there is churn");
    }
}
