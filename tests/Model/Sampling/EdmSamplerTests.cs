using NUnit.Framework;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Schedules;

namespace NativeDiffusion.Tests.Model.Sampling;

internal sealed class EdmSamplerTests
{
    private static readonly EdmPreconditioning Edm = new();

    // Relative error at the smallest level, before the first-order step to 0, for N(0, 0.25) data.
    private static double Error(Func<double[], SamplerTable> sampler, ScalarSampler.Network network, int steps, bool vp)
    {
        double[] sigmas = Spacing.Karras(steps);
        double first = sigmas[0], last = sigmas[^1];
        double Alpha(double s) => vp ? 1 / Math.Sqrt(1 + s * s) : 1;
        double[] states = ScalarSampler.Run(sampler(sigmas), network, 80 * Alpha(first), ScalarSampler.NoNoise);
        double exact = 80 * Math.Sqrt((0.25 + last * last) / (0.25 + first * first));
        return Math.Abs(states[^2] / Alpha(last) - exact);
    }

    [Test]
    public void ConvergenceOrders([Values(64, 128, 256)] int steps)
    {
        ScalarSampler.Network edm = ExactModel.Edm(Edm, ExactModel.Gaussian(0, 0.25));
        double Order(Func<double[], SamplerTable> sampler, bool vp = false) => Math.Log2(Error(sampler, edm, steps, vp) / Error(sampler, edm, 2 * steps, vp));
        Assert.That(Order(s => Samplers.Euler(NoiseLevel.FromSigmas(Edm, s), Edm, clip: false)), Is.EqualTo(1).Within(0.1), "Euler");
        Assert.That(Order(s => Samplers.Heun(Edm, s, Edm, clip: false)), Is.EqualTo(2).Within(0.15), "Heun");
        Assert.That(Order(s => Samplers.DpmSolver2M(NoiseLevel.FromSigmas(Edm, s), Edm, clip: false), vp: true), Is.EqualTo(2).Within(0.15), "2M");
    }

    [Test]
    public void WrappedVpNetworksSampleAsTheEdmNetworkDoes([Values] PredictionType type)
    {
        Func<NoiseLevel, double, double> data = ExactModel.Mixture((0.3, -0.6, 0.01), (0.7, 0.5, 0.04));
        ScalarSampler.Network edm = ExactModel.Edm(Edm, data), vp = ExactModel.Network(type, data);
        double[] sigmas = Spacing.Karras(18);
        NoiseLevel[] levels = NoiseLevel.FromSigmas(Edm, sigmas);
        Func<int, double> noise = ScalarSampler.Normals(7);
        foreach (Func<Parameterization, SamplerTable> sampler in new Func<Parameterization, SamplerTable>[]
        {
            p => Samplers.Euler(levels, p), p => Samplers.EulerAncestral(levels, p, 0.8), p => Samplers.Heun(Edm, sigmas, p, new HeunChurn(5, 0.05, 50, 1.003)),
            p => Samplers.DpmSolver2M(levels, p), p => Samplers.Ddim(levels, p, 0.4), p => Samplers.Ddim(levels, p, clip: false), p => Samplers.Algorithm2(levels, p),
        })
        {
            SamplerTable a = sampler(Edm), b = sampler(type);
            double z = 1.3 * a.InitialScale;
            Assert.That(ScalarSampler.Run(b, vp, z, noise), Is.EqualTo(ScalarSampler.Run(a, edm, z, noise)).Within(1e-8), a.Name);
        }
    }

    [Test]
    public void EulerInEdmScaleIsDdim()
    {
        NoiseLevel[] levels = NoiseLevel.FromSigmas(Edm, Spacing.Karras(12));
        ScalarSampler.Network network = ExactModel.Network(PredictionType.Eps, ExactModel.Mixture((0.5, -0.6, 0.01), (0.5, 0.5, 0.04)));
        double[] euler = ScalarSampler.Run(Samplers.Euler(levels, PredictionType.Eps), network, 70, ScalarSampler.NoNoise);
        double[] ddim = ScalarSampler.Run(Samplers.Ddim(levels, PredictionType.Eps), network, 70 * levels[0].Alpha, ScalarSampler.NoNoise);
        for (int i = 0; i < 11; i++) Assert.That(euler[i] * levels[i + 1].Alpha, Is.EqualTo(ddim[i]).Within(1e-9));
        Assert.That(euler[^1], Is.EqualTo(ddim[^1]).Within(1e-9));
    }

    [Test]
    public void HeunRowsFollowTheAlgorithmLine()
    {
        double[] sigmas = Spacing.Karras(10);
        Func<NoiseLevel, double, double> data = ExactModel.Mixture((0.3, -0.6, 0.01), (0.7, 0.5, 0.04));
        Func<int, double> noise = ScalarSampler.Normals(3);
        foreach (HeunChurn churn in new[] { HeunChurn.None, new HeunChurn(4, 0.05, 50, 1.003) })
        {
            SamplerTable table = Samplers.Heun(Edm, sigmas, Edm, churn, clip: false);
            Assert.That((table.Rows.Count(r => r.Evaluates), table.Steps, table.InitialScale), Is.EqualTo((19, 10, 80.0)));
            double x = 80 * 0.7;
            int row = 0;
            for (int i = 0; i < 10; i++)
            {
                double s = sigmas[i], next = i < 9 ? sigmas[i + 1] : 0;
                double gamma = s >= churn.SigmaMin && s <= churn.SigmaMax ? Math.Min(churn.Amount / 10, Math.Sqrt(2) - 1) : 0, hat = s + gamma * s;
                // A row before the step's two adds its churn noise.
                double xHat = hat > s ? x + Math.Sqrt(hat * hat - s * s) * churn.NoiseScale * noise(row++) : x;
                row += 2;
                double D(double xE, double at)
                {
                    NoiseLevel l = NoiseLevel.FromSigmaEdm(Edm, at);
                    return data(l, l.Alpha * xE);
                }

                double d = (xHat - D(xHat, hat)) / hat;
                x = xHat + (next - hat) * d;
                if (i < 9) x = xHat + (next - hat) * (d + (x - D(x, next)) / next) / 2;
            }

            Assert.That(ScalarSampler.Run(table, ExactModel.Edm(Edm, data), 80 * 0.7, noise)[^1], Is.EqualTo(x).Within(1e-10));
        }

        SamplerTable plain = Samplers.Heun(Edm, sigmas, Edm, HeunChurn.None);
        Assert.That(plain.Rows.All(r => r.C == 0), Is.True);
        Assert.That(plain.Rows.Select(r => r.StepIndex), Is.EqualTo(Enumerable.Range(0, 19).Select(i => i / 2)));
        Assert.That(plain.Rows.Select(r => r.Timestep).Take(3), Is.EqualTo(new[] { Math.Log(sigmas[0]) / 4, Math.Log(sigmas[1]) / 4, Math.Log(sigmas[1]) / 4 }));
    }

    [Test]
    public void ChurnIsARowBeforeItsStep()
    {
        SamplerTable table = Samplers.Heun(Edm, [10, 1], Edm, new HeunChurn(0.4, 5, 100, 1.5));
        Assert.That(table.InitialScale, Is.EqualTo(10));
        Assert.That(table.Rows.Select(r => (r.Evaluates, r.StepIndex)), Is.EqualTo(new[] { (false, 0), (true, 0), (true, 0), (true, 1) }));
        Assert.That((table.Rows[0].A, table.Rows[0].C), Is.EqualTo((1.0, Math.Sqrt((144 - 100) * 2.25))).Within(1e-12));
        Assert.That(table.Rows[1].LogSnr, Is.EqualTo(-2 * Math.Log(12)).Within(1e-12));
    }

    [Test]
    public void EulerAncestralSplitsTheVariance()
    {
        NoiseLevel[] levels = NoiseLevel.FromSigmas(Edm, [10, 4, 1]);
        SamplerTable none = Samplers.EulerAncestral(levels, Edm, 0), one = Samplers.EulerAncestral(levels, Edm, 1);
        SamplerTable euler = Samplers.Euler(levels, Edm);
        for (int i = 0; i < 3; i++) Assert.That(none.Rows[i], Is.EqualTo(euler.Rows[i]));
        SamplerRow row = one.Rows[0];
        Assert.That(row.C, Is.EqualTo(4 * Math.Sqrt(100 - 16) / 10).Within(1e-12));
        Assert.That(row.A * row.A * 100 + row.C * row.C, Is.EqualTo(16).Within(1e-12));
        Assert.That(row.A + row.B, Is.EqualTo(1).Within(1e-15));
    }

    [Test]
    public void DiscreteNetworkIsToldFractionalTimesteps()
    {
        DiscreteSchedule schedule = DiscreteSchedule.Linear(1000);
        double[] sigmas = Spacing.Karras(10, schedule.SigmaEdm(0), schedule.SigmaEdm(999));
        SamplerTable table = Samplers.Heun(schedule, sigmas, PredictionType.Eps);
        Assert.That(table.Rows[0].Timestep, Is.EqualTo(999).Within(1e-9));
        Assert.That(table.Rows[^1].Timestep, Is.EqualTo(0).Within(1e-9));
        Assert.That(table.Rows[0].InputScale, Is.EqualTo(schedule.Alpha(999)).Within(1e-12));
        Assert.That(table.Rows[2].Timestep, Is.EqualTo(schedule.TimestepAt(Conversions.SigmaEdmToLogSnr(sigmas[1]))));
    }
}
