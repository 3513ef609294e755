using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Kernels;

/// <summary>Statistics that a convolution gathers of its result, for the normalisation that follows.</summary>
public sealed class Conv2dStatisticsTests
{
    [TestCase(8, 16, 32, 4)]
    [TestCase(5, 3, 6, 3)]
    public void Mean_and_rstd_of_the_result_follow_from_its_elements(int size, int cin, int cout, int groups)
    {
        const double Epsilon = 1e-5;
        var shape = new Conv2dShape(2, size, size, cin, cout, 3, 3, 1, 1);
        using IKernels kernels = new CpuKernels(2);
        using var memory = kernels.Allocate(200_000);
        long next = 0;
        TensorView Take(Shape extents)
        {
            var view = new TensorView(memory, next, extents);
            next += (extents.Count + 15) / 16 * 16;
            return view;
        }
        TensorView x = Take(new(2, size, size, cin)), weight = Take(new(cout, 3, 3, cin)), residual = Take(new(2, size, size, cout)), y = Take(residual.Shape);
        TensorView mean = Take(new(2, groups)), rstd = Take(new(2, groups)), packed = Take(new((int)kernels.Conv2dPackedLength(shape, Conv2dPass.Forward)));
        Philox.Fill(x.Span, 1, 0, 0, RandomStream.InitialNoise);
        Philox.Fill(weight.Span, 1, 1, 0, RandomStream.Weights, 0.3);
        Philox.Fill(residual.Span, 1, 2, 0, RandomStream.InitialNoise, 3);
        kernels.Conv2dPack(shape, Conv2dPass.Forward, weight, packed);
        kernels.Conv2dForward(shape, x, packed, new Conv2dEpilogue { Residual = residual, NormMean = mean, NormRstd = rstd, NormEpsilon = Epsilon }, y);
        for (int n = 0; n < 2; n++)
            for (int g = 0; g < groups; g++)
            {
                int width = cout / groups;
                double[] group = [.. from p in Enumerable.Range(0, size * size) from c in Enumerable.Range(0, width) select (double)y.Span[(n * size * size + p) * cout + g * width + c]];
                double average = group.Average(), variance = group.Average(v => (v - average) * (v - average));
                Assert.That(mean.Span[n * groups + g], Is.EqualTo(average).Within(1e-5));
                Assert.That(rstd.Span[n * groups + g], Is.EqualTo(1 / Math.Sqrt(variance + Epsilon)).Within(1e-5));
            }
    }
}
