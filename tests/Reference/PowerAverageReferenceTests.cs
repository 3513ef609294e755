using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Training;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Reference;

/// <summary>Power-function averages and their combination after training, against EDM2's published code.</summary>
[TestFixture]
[Category("Reference")]
public sealed class PowerAverageReferenceTests
{
    private static IEnumerable<ReferenceCase> Cases => ReferenceCase.OfKind(ReferenceKinds.PowerAverage);

    [TestCaseSource(nameof(Cases))]
    public void Exponents_decays_and_widths_agree(ReferenceCase reference)
    {
        double[] widths = Read(reference, "in.std"), exponents = Read(reference, "out.exponent"), times = Read(reference, "in.t_next"), betas = Read(reference, "out.beta");
        double batch = Read(reference, "in.t_delta")[0];
        for (int i = 0; i < widths.Length; i++)
        {
            double exponent = PowerFunctionAverage.Exponent(widths[i]);
            Assert.That(exponent, Is.EqualTo(exponents[i]).Within(1e-9), $"{widths[i]}");
            Assert.That(PowerFunctionAverage.Width(exponent), Is.EqualTo(widths[i]).Within(1e-12));
            for (int t = 0; t < times.Length; t++)
                Assert.That(PowerFunctionAverage.Decay(exponent, times[t], batch), Is.EqualTo(betas[i * times.Length + t]).Within(1e-12), $"{widths[i]}, {times[t]}");
        }
    }

    [TestCaseSource(nameof(Cases))]
    public void Factors_of_saved_averages_agree(ReferenceCase reference)
    {
        double[] times = Read(reference, "in.snapshot_t"), widths = Read(reference, "in.snapshot_std"), targetTimes = Read(reference, "in.target_t"),
            targetWidths = Read(reference, "in.target_std"), expected = Read(reference, "out.coefficients"), correlation = Read(reference, "out.correlation");
        (double, double)[] saved = [.. times.Zip(widths, (t, w) => (t, PowerFunctionAverage.Exponent(w)))];
        for (int i = 0; i < saved.Length; i++)
            for (int j = 0; j < saved.Length; j++)
                Assert.That(PowerFunctionAverage.Correlation(saved[i], saved[j]), Is.EqualTo(correlation[i * saved.Length + j]).Within(1e-9 * correlation.Max()), $"{i}, {j}");
        for (int k = 0; k < targetTimes.Length; k++)
        {
            double[] factors = PowerFunctionAverage.Factors(saved, (targetTimes[k], PowerFunctionAverage.Exponent(targetWidths[k])));
            for (int i = 0; i < saved.Length; i++) Assert.That(factors[i], Is.EqualTo(expected[i * targetTimes.Length + k]).Within(1e-8), $"target {k}, snapshot {i}");
        }
    }

    [TestCaseSource(nameof(Cases))]
    public void The_averages_of_a_run_agree(ReferenceCase reference)
    {
        using IKernels kernels = new CpuKernels(1);
        using var turn = kernels.Queue.Enter();
        double[] widths = [.. reference.Config.GetProperty("ema_stds").EnumerateArray().Select(v => v.GetDouble())];
        double batch = reference.Config.GetProperty("batch").GetDouble();
        float[] weights = reference.Read("in.weights_after_step"), expected = reference.Read("out.ema_after_step");
        const int Steps = 8;
        int row = weights.Length / Steps;
        for (int w = 0; w < widths.Length; w++)
        {
            using DeviceMemory values = kernels.Allocate(row), average = kernels.Allocate(row);
            TensorView here = new(values, 0, new Shape(row)), mean = new(average, 0, new Shape(row));
            double exponent = PowerFunctionAverage.Exponent(widths[w]);
            for (int step = 0; step < Steps; step++)
            {
                kernels.Upload(weights.AsSpan(step * row, row), here);
                kernels.EmaUpdate(here, PowerFunctionAverage.Decay(exponent, (step + 1) * batch, batch), mean);
                float[] got = new float[row];
                kernels.Download(mean, got);
                ReferenceCase.AssertClose(got, expected[((step * widths.Length + w) * row)..((step * widths.Length + w + 1) * row)], 1e-5, $"width {widths[w]}, step {step}");
            }
        }
    }

    private static double[] Read(ReferenceCase reference, string tensor)
    {
        using var file = SafetensorsFile.Open(reference.Path);
        return file.ReadDouble(tensor);
    }
}
