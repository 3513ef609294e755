using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Schedules;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Sampling;

/// <summary>The samplers with more than one history, evaluation or noise a step, on data whose denoiser is known.</summary>
internal sealed class FurtherSamplerTests
{
    private static readonly EdmPreconditioning Edm = new();
    private static readonly Func<NoiseLevel, double, double> Mixture = ExactModel.Mixture((0.3, -0.6, 0.01), (0.7, 0.5, 0.04));

    private static IEnumerable<TestCaseData> Deterministic()
    {
        static TestCaseData Of(string name, double order, Func<double[], SamplerTable> table) => new TestCaseData(order, table).SetArgDisplayNames(name);
        static NoiseLevel[] Levels(double[] s) => NoiseLevel.FromSigmas(Edm, s);
        yield return Of("lms 2", 2, s => Samplers.Lms(Levels(s), Edm, 2, clip: false));
        yield return Of("lms 3", 3, s => Samplers.Lms(Levels(s), Edm, 3, clip: false));
        yield return Of("lms 4", 4, s => Samplers.Lms(Levels(s), Edm, 4, clip: false));
        yield return Of("dpm2", 2, s => Samplers.Dpm2(Edm, s, Edm, clip: false));
        yield return Of("dpm2 ancestral, eta 0", 2, s => Samplers.Dpm2Ancestral(Edm, s, Edm, 0, clip: false));
        yield return Of("2s, eta 0", 2, s => Samplers.DpmSolver2SAncestral(Edm, s, Edm, 0, clip: false));
        yield return Of("sde, eta 0", 2, s => Samplers.DpmSolverSde(Edm, s, Edm, 0, clip: false));
        yield return Of("sde, eta 0, r 0.3", 2, s => Samplers.DpmSolverSde(Edm, s, Edm, 0, 0.3, clip: false));
        yield return Of("2m heun form", 2, s => Samplers.DpmSolver(Levels(s), Edm, new DpmSolverOptions { Midpoint = false }, clip: false));
        // Its first steps have lower orders, which on this data stay to be seen; those of the noise begin where it hardly changes.
        yield return Of("3m", 1.9, s => Samplers.DpmSolver(Levels(s), Edm, new DpmSolverOptions { Order = 3 }, clip: false));
        yield return Of("2m of noise", 2, s => Samplers.DpmSolver(Levels(s), Edm, new DpmSolverOptions { IntegratesNoise = true }, clip: false));
        yield return Of("3m of noise", 3, s => Samplers.DpmSolver(Levels(s), Edm, new DpmSolverOptions { Order = 3, IntegratesNoise = true }, clip: false));
        foreach (bool exponential in new[] { false, true })
            foreach (bool noise in new[] { false, true })
                for (int order = 1; order <= 3; order++)
                {
                    var options = new UniPCOptions { Order = order, Exponential = exponential, IntegratesNoise = noise, LowersLastOrders = false };
                    // The corrector adds an order.
                    yield return Of($"{options}", order + 1, s => Samplers.UniPC(Levels(s), Edm, options, clip: false));
                }
    }

    [TestCaseSource(nameof(Deterministic))]
    public void Deterministic_samplers_converge_in_their_order(double order, Func<double[], SamplerTable> sampler)
    {
        double Error(int steps)
        {
            double[] sigmas = Spacing.Karras(steps, 0.02, 20, 3);
            double first = sigmas[0], last = sigmas[^1];
            SamplerTable table = sampler(sigmas);
            double[] states = ScalarSampler.Run(table, ExactModel.Edm(Edm, ExactModel.Gaussian(0, 0.25)), first * table.Rows[0].Alpha, ScalarSampler.NoNoise);
            double exact = first * Math.Sqrt((0.25 + last * last) / (0.25 + first * first));
            return Math.Abs(states[^2] / table.Rows[^1].Alpha - exact);
        }

        double observed = Math.Log2(Error(128) / Error(256));
        Assert.That(observed, Is.GreaterThan(order - 0.3));
    }

    private static IEnumerable<TestCaseData> Stochastic()
    {
        static TestCaseData Of(string name, Func<double[], SamplerTable> table) => new TestCaseData(table).SetArgDisplayNames(name);
        yield return Of("2m sde", s => Samplers.DpmSolver2MSde(NoiseLevel.FromSigmas(Edm, s), Edm, clip: false));
        yield return Of("3m sde", s => Samplers.DpmSolver3MSde(NoiseLevel.FromSigmas(Edm, s), Edm, clip: false));
        yield return Of("3m sde, eta 0.5", s => Samplers.DpmSolver3MSde(NoiseLevel.FromSigmas(Edm, s), Edm, 0.5, clip: false));
        yield return Of("sde", s => Samplers.DpmSolverSde(Edm, s, Edm, clip: false));
        yield return Of("2s ancestral", s => Samplers.DpmSolver2SAncestral(Edm, s, Edm, clip: false));
        yield return Of("dpm2 ancestral", s => Samplers.Dpm2Ancestral(Edm, s, Edm, clip: false));
        yield return Of("dpm2, churn", s => Samplers.Dpm2(Edm, s, Edm, new HeunChurn(10), clip: false));
        yield return Of("euler, churn", s => Samplers.EulerWithChurn(Edm, s, Edm, new HeunChurn(10), clip: false));
    }

    [TestCaseSource(nameof(Stochastic))]
    public void Samplers_with_fresh_noise_draw_from_the_mixture(Func<double[], SamplerTable> sampler)
    {
        const int Count = 4000;
        SamplerTable table = sampler(Spacing.Karras(60));
        var network = ExactModel.Edm(Edm, Mixture);
        var random = new Random(3);
        double[] samples = [.. Enumerable.Range(0, Count).Select(_ =>
            ScalarSampler.Run(table, network, 80 * table.Rows[0].Alpha * ScalarSampler.Normal(random), _ => ScalarSampler.Normal(random))[^1])];
        double mean = samples.Average(), variance = samples.Average(v => (v - mean) * (v - mean));
        Assert.That(mean, Is.EqualTo(0.17).Within(0.035));
        Assert.That(variance, Is.EqualTo(0.2851).Within(0.03));
        Assert.That(samples.Count(v => v < -0.05) / (double)Count, Is.EqualTo(0.3).Within(0.03));
    }

    [Test]
    public void Noises_of_one_sampler_are_all_different()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.Create(kernels);
        foreach (var kind in Enum.GetValues<SamplerKind>())
        {
            var settings = new SamplerSettings { Kind = kind, Steps = 9, Eta = kind is SamplerKind.Ddim ? 1 : null, Churn = new HeunChurn(2) };
            SamplerTable table = settings.Build(model);
            Assert.That(table.Rows.Where(r => r.C > 0).Select(r => r.ToKernelRow().StepIndex), Is.Unique, $"{kind}");
        }
    }

    [Test]
    public void Cfg_plus_plus_on_2s_takes_its_authors_step()
    {
        double s = 3, next = 0.8, lambda = 0.6, z = 1.3;
        SamplerTable table = Samplers.DpmSolver2SAncestral(Edm, [s, next], PredictionType.X0, clip: false).With(new CfgPlusPlusRule().Apply);
        Output Network(SamplerRow row, double input) => new(0.3 + 0.1 * input, -0.2 + 0.05 * input * input);
        double[] states = ScalarSampler.Run(table, Network, z, _ => 0.7, lambda);
        double up = next * Math.Sqrt((s * s - next * next) / (s * s)), down = Math.Sqrt(next * next - up * up), h = Math.Log(s / down);
        double middle = Math.Sqrt(s * down);
        Output At(double state, double sigma) => Network(table.Rows[0], state / Math.Sqrt(1 + sigma * sigma));
        double half = middle / s * z + (1 - Math.Exp(-h / 2)) * At(z, s).Null;
        Output there = At(half, middle);
        double guided = there.Null + lambda * (there.Conditional - there.Null);
        Assert.That(states[0], Is.EqualTo(half).Within(1e-12));
        Assert.That(states[1], Is.EqualTo(guided - Math.Exp(-h) * there.Null + down / s * z + up * 0.7).Within(1e-12));
    }

    [Test]
    public void Cfg_plus_plus_refuses_the_others()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.Create(kernels);
        SamplerKind[] fits =
        [
            SamplerKind.Ddim, SamplerKind.Ancestral, SamplerKind.Algorithm2, SamplerKind.Euler, SamplerKind.EulerAncestral, SamplerKind.DpmSolver2M,
            SamplerKind.DpmSolver2SAncestral,
        ];
        var guidance = new Guidance { Rules = [new CfgPlusPlusRule()] };
        foreach (var kind in Enum.GetValues<SamplerKind>())
        {
            var settings = new SamplerSettings { Kind = kind, Steps = 9 };
            void Prepare() => new GuidedSampler(model, settings, new GuidedSamplerOptions { Guidance = guidance }).Dispose();
            if (fits.Contains(kind)) Assert.That(Prepare, Throws.Nothing, $"{kind}");
            else Assert.That(Prepare, Throws.ArgumentException.With.Message.Contains("dpm++2m"), $"{kind}");
        }
    }

    [Test]
    public void Wrong_orders_and_shares_are_refused()
    {
        NoiseLevel[] levels = NoiseLevel.FromSigmas(Edm, [3, 1]), pure = [NoiseLevel.FromAlphaBar(0, 999), NoiseLevel.FromAlphaBar(0.5, 500)];
        Assert.That(() => Samplers.Lms(levels, Edm, 5), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => Samplers.UniPC(levels, Edm, new UniPCOptions { Order = 4 }), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => Samplers.UniPC(levels, Edm, new UniPCOptions { FirstCorrected = 0 }), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => Samplers.DpmSolver(levels, Edm, new DpmSolverOptions { Order = 0 }), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => Samplers.DpmSolver(levels, Edm, new DpmSolverOptions { Eta = 1, IntegratesNoise = true }), Throws.ArgumentException);
        Assert.That(() => Samplers.DpmSolver(pure, PredictionType.V, new DpmSolverOptions { IntegratesNoise = true }), Throws.ArgumentException.With.Message.Contains("pure noise"));
        Assert.That(() => Samplers.UniPC(pure, PredictionType.V, new UniPCOptions { IntegratesNoise = true }), Throws.ArgumentException.With.Message.Contains("pure noise"));
        Assert.That(() => Samplers.DpmSolver2MSde(levels, Edm, -1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => Samplers.DpmSolverSde(Edm, [3, 1], Edm, r: 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => Samplers.Dpm2Ancestral(Edm, [1, 3], Edm), Throws.ArgumentException.With.Message.Contains("noisy to clean"));
        Assert.That(() => Samplers.Dpm2(Edm, [3, 1], Edm, new HeunChurn(-1)), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }
}
