using NativeDiffusion.Model;
using NativeDiffusion.Model.Schedules;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Schedules;

internal sealed class ConversionsTests
{
    [Test]
    public void LevelsRoundTrip([Values(-12, -3, -0.1, 0, 0.7, 5)] double logSnr)
    {
        double alphaBar = Conversions.LogSnrToAlphaBar(logSnr), s = Conversions.LogSnrToSigmaEdm(logSnr);
        // alphaBar itself is rounded; one unit in 1 - alphaBar is worth that much in log-SNR.
        double tolerance = 1e-13 + 2.3e-16 / (1 - alphaBar);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Conversions.AlphaBarToLogSnr(alphaBar), Is.EqualTo(logSnr).Within(tolerance));
            Assert.That(Conversions.SigmaEdmToLogSnr(s), Is.EqualTo(logSnr).Within(1e-13));
            Assert.That(Conversions.AlphaBarToSigmaEdm(alphaBar), Is.EqualTo(s).Within(s * tolerance));
            Assert.That(Conversions.SigmaEdmToAlphaBar(s), Is.EqualTo(alphaBar).Within(1e-12 * alphaBar));
            Assert.That(Conversions.EdmToVp(Conversions.VpToEdm(0.3, s), s), Is.EqualTo(0.3).Within(1e-15));
            Assert.That(Conversions.VpToEdm(0.3, s), Is.EqualTo(0.3 / Math.Sqrt(alphaBar)).Within(1e-12).Percent);
        }
    }

    [Test]
    public void ExtremeAlphaBarIsExact()
    {
        Assert.That(Conversions.AlphaBarToLogSnr(1e-300), Is.EqualTo(Math.Log(1e-300)));
        Assert.That(Conversions.AlphaBarToLogSnr(0), Is.EqualTo(double.NegativeInfinity));
        Assert.That(Conversions.AlphaBarToLogSnr(1), Is.EqualTo(double.PositiveInfinity));
        double tiny = Math.Pow(2, -40);
        Assert.That(Conversions.AlphaBarToLogSnr(tiny), Is.EqualTo(-40 * Math.Log(2) + tiny).Within(1e-15));
    }

    [Test]
    public void PredictionsAreInterchangeable([Values] PredictionType type, [Values(0.1, 0.6, 0.999)] double alpha)
    {
        double sigma = Math.Sqrt(1 - alpha * alpha), x0 = 0.37, noise = -1.21, z = alpha * x0 + sigma * noise;
        double target = Conversions.Target(type, x0, noise, alpha, sigma);
        Assert.That(Conversions.ToX0(type, z, target, alpha, sigma), Is.EqualTo(x0).Within(1e-12));
        Assert.That(Conversions.ToEps(type, z, target, alpha, sigma), Is.EqualTo(noise).Within(1e-12));
        Assert.That(Conversions.ToV(type, z, target, alpha, sigma), Is.EqualTo(alpha * noise - sigma * x0).Within(1e-12));
        Assert.That(Conversions.EpsToScore(noise, sigma), Is.EqualTo(-noise / sigma));
    }

    [Test]
    public void ParameterizationAgreesWithTheAlgebraInBothScales([Values] PredictionType type, [Values(-15, -1, 4)] double logSnr)
    {
        NoiseLevel l = NoiseLevel.FromLogSnr(new ContinuousSchedule(), logSnr);
        double x0 = 0.37, noise = -1.21, z = l.Alpha * x0 + l.Sigma * noise, g = Conversions.Target(type, x0, noise, l.Alpha, l.Sigma);
        Check(((Parameterization)type).InVpScale(l), z);
        Check(((Parameterization)type).InEdmScale(l), z / l.Alpha);

        void Check(OutputCoefficients c, double state)
        {
            Assert.That(c.InputScale * state, Is.EqualTo(z).Within(1e-12));
            Assert.That(c.XFromZ * state + c.XFromG * g, Is.EqualTo(x0).Within(1e-10));
            Assert.That(c.EpsFromZ * state + c.EpsFromG * g, Is.EqualTo(noise).Within(1e-10));
        }
    }

    [Test]
    public void EdmPreconditioningIdentities([Values(0.002, 0.3, 7, 80)] double s, [Values(0.5, 1.3)] double sigmaData)
    {
        var edm = new EdmPreconditioning(sigmaData);
        double cIn = edm.CIn(s), cOut = edm.COut(s), cSkip = edm.CSkip(s), d2 = sigmaData * sigmaData;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(cIn * cIn * (s * s + d2), Is.EqualTo(1).Within(1e-14));
            Assert.That(cOut * cOut, Is.EqualTo(d2 * s * s * cIn * cIn).Within(1e-12).Percent);
            // With F = 0 the denoiser is the posterior mean of N(0, sigmaData^2) data.
            Assert.That(cSkip, Is.EqualTo(d2 / (d2 + s * s)).Within(1e-15));
            // Variance of the target (x0 - cSkip (x0 + s n)) / cOut.
            Assert.That(((1 - cSkip) * (1 - cSkip) * d2 + cSkip * cSkip * s * s) / (cOut * cOut), Is.EqualTo(1).Within(1e-12));
            Assert.That(edm.LossWeight(s) * cOut * cOut, Is.EqualTo(1).Within(1e-12));
            Assert.That(edm.TimestepAt(Conversions.SigmaEdmToLogSnr(s)), Is.EqualTo(edm.CNoise(s)));
        }

        NoiseLevel l = NoiseLevel.FromSigmaEdm(edm, s);
        double x0 = 0.37, noise = -1.21, xE = x0 + s * noise, f = (x0 - cSkip * xE) / cOut;
        OutputCoefficients e = ((Parameterization)edm).InEdmScale(l), v = ((Parameterization)edm).InVpScale(l);
        Assert.That((e.InputScale, e.XFromZ, e.XFromG), Is.EqualTo((cIn, cSkip, cOut)), "EDM scale is EDM itself");
        Assert.That(e.EpsFromZ * xE + e.EpsFromG * f, Is.EqualTo(noise).Within(1e-10));
        double z = l.Alpha * xE;
        Assert.That(v.InputScale * z, Is.EqualTo(cIn * xE).Within(1e-12));
        Assert.That(v.XFromZ * z + v.XFromG * f, Is.EqualTo(x0).Within(1e-12));
        Assert.That(v.EpsFromZ * z + v.EpsFromG * f, Is.EqualTo(noise).Within(1e-10));
    }

    [Test]
    public void PureNoiseNeedsV()
    {
        NoiseLevel pure = NoiseLevel.FromAlphaBar(0, 999);
        Assert.That(() => ((Parameterization)PredictionType.Eps).InVpScale(pure), Throws.ArgumentException.With.Message.Contains("pure noise"));
        Assert.That(((Parameterization)PredictionType.V).InVpScale(pure), Is.EqualTo(new OutputCoefficients(1, 0, -1, 1, 0)));
    }
}
