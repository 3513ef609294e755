using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Noise;

[TestFixture]
public sealed class AddNoiseTests
{
    [Test]
    public void The_form_with_given_noise_equals_the_form_that_draws_it_bit_by_bit()
    {
        using IKernels kernels = new CpuKernels(2);
        var shape = new Shape(3, 7, 5, 3);
        var random = new Random(3);
        float Draw() => (float)(random.NextDouble() * 2 - 1);
        using GuardedTensor x = new(shape, _ => Draw()), noise = new(shape), given = new(shape), drawn = new(shape), target = new(shape);
        using GuardedTensor alpha = new(new Shape(3), _ => Draw()), sigma = new(new Shape(3), _ => Draw()), index = new(5, 0, 70000);
        kernels.NormalNoise(9, 4, RandomStream.StepNoise, 1, index, noise);
        kernels.AddNoise(x, alpha, sigma, noise, given);
        kernels.AddNoise(x, alpha, sigma, index, 9, 4, PredictionTarget.Eps, drawn, target);
        Assert.That(given.Values, Is.EqualTo(drawn.Values));
        Assert.That(target.Values, Is.EqualTo(noise.Values));
        for (int i = 0; i < shape.Count; i++)
        {
            double expected = (double)alpha.Values[i / 105] * x.Values[i] + (double)sigma.Values[i / 105] * noise.Values[i];
            Assert.That(given.Values[i], Is.EqualTo(expected).Within(1e-6));
        }
        foreach (var tensor in new[] { x, noise, given, drawn, target }) tensor.AssertGuardsIntact("AddNoise");
    }
}
