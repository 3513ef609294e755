using NativeDiffusion.Model;
using NativeDiffusion.Model.Schedules;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Schedules;

internal sealed class LossWeightTests
{
    private static readonly (string Name, LossWeight Weight, Func<double, double> OnX0)[] Table =
    [
        ("simple", LossWeight.Simple, s => s),
        ("uniform x0", LossWeight.UniformX0, _ => 1),
        ("uniform v", LossWeight.UniformV, s => s + 1),
        ("truncated", LossWeight.TruncatedSnr, s => Math.Max(s, 1)),
        ("min-snr 5", LossWeight.MinSnr(), s => Math.Min(s, 5)),
        ("min-snr 2", LossWeight.MinSnr(2), s => Math.Min(s, 2)),
        ("p2", LossWeight.P2(), s => s / (1 + s)),
        ("p2 (2, 0.5)", LossWeight.P2(2, 0.5), s => s / Math.Sqrt(2 + s)),
    ];

    [Test]
    public void TheSameErrorWeighsTheSameInEveryForm()
    {
        var random = new Random(3);
        for (int trial = 0; trial < 200; trial++)
        {
            double logSnr = 24 * random.NextDouble() - 12, snr = Math.Exp(logSnr);
            double alpha = Math.Sqrt(snr / (1 + snr)), sigma = Math.Sqrt(1 / (1 + snr));
            double x0 = random.NextDouble(), noise = random.NextDouble() - 2, z = alpha * x0 + sigma * noise, predicted = noise + random.NextDouble() + 0.1;
            double dEps = predicted - noise;
            double dX0 = Conversions.ToX0(PredictionType.Eps, z, predicted, alpha, sigma) - x0;
            double dV = Conversions.ToV(PredictionType.Eps, z, predicted, alpha, sigma) - Conversions.Target(PredictionType.V, x0, noise, alpha, sigma);
            foreach ((string name, LossWeight weight, Func<double, double> onX0) in Table)
            {
                double expected = onX0(snr) * dX0 * dX0;
                Assert.That(weight.At(snr, PredictionType.X0) * dX0 * dX0, Is.EqualTo(expected).Within(1e-10).Percent, name);
                Assert.That(weight.At(snr, PredictionType.Eps) * dEps * dEps, Is.EqualTo(expected).Within(1e-7).Percent, name);
                Assert.That(weight.At(snr, PredictionType.V) * dV * dV, Is.EqualTo(expected).Within(1e-7).Percent, name);
            }
        }
    }

    [Test]
    public void NativeFormsAreExactlyOne()
    {
        Assert.That(LossWeight.Simple.At(3.3, PredictionType.Eps), Is.EqualTo(1.0));
        Assert.That(LossWeight.UniformX0.At(3.3, PredictionType.X0), Is.EqualTo(1.0));
        Assert.That(LossWeight.UniformV.At(3.3, PredictionType.V), Is.EqualTo(1.0));
        Assert.That(LossWeight.MinSnr(5).At(0, PredictionType.Eps), Is.EqualTo(1.0));
        Assert.That(default(LossWeight), Is.EqualTo(LossWeight.Simple));
    }

    [Test]
    public void RejectsBadArguments()
    {
        Assert.That(() => LossWeight.MinSnr(0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => LossWeight.Simple.At(-1, PredictionType.Eps), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }
}
