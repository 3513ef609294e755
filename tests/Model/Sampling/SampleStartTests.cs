using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Schedules;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Sampling;

/// <summary>Sampling from given pictures and noise, by what any caller has.</summary>
internal sealed class SampleStartTests
{
    private static readonly NoiseLevel[] Levels = TinyModel.Settings.Discrete().Respace(Spacing.Section(1000, "200")).Levels();

    private static float[][] Run(SamplerTable table, params SampleRequest[] requests)
    {
        using var kernels = new CpuKernels(2);
        using var model = TinyModel.CreateRandom(kernels);
        using var sampler = new GuidedSampler(model, table, new GuidedSamplerOptions { Batch = 2, Seed = 5 });
        var states = new float[requests.Length][];
        sampler.Sample(requests, (i, state) => states[i] = state.ToArray());
        return states;
    }

    private static SampleRequest Request(SampleStart? start, int index = 0) => new(1, new GuidanceScale(1), index) { Start = start };

    private static float[] Picture(int seed = 1)
    {
        var random = new Random(seed);
        int size = TinyModel.Network.ImageSize;
        float[] pixels = new float[size * size * TinyModel.Network.InChannels];
        for (int i = 0; i < pixels.Length; i++) pixels[i] = (float)(0.4 * ScalarSampler.Normal(random));
        return pixels;
    }

    [Test]
    public void AnInvertedPictureIsSampledAgainFromItsNoise()
    {
        float[][] pictures = [Picture(1), Picture(2), Picture(3)];
        var settings = TinyModel.Settings;
        float[][] noise = Run(Samplers.DdimInversion(Levels, settings.Prediction, clip: false), [.. pictures.Select((p, i) => Request(SampleStart.Picture(p), i))]);
        float[][] again = Run(Samplers.Ddim(Levels, settings.Prediction, clip: false), [.. noise.Select((n, i) => Request(SampleStart.Noise(n), 10 + i))]);
        double error = again.Zip(pictures).SelectMany(p => p.First.Zip(p.Second)).Average(p => Math.Pow(p.First - p.Second, 2));
        double other = again.Zip(pictures.Reverse()).Where((_, i) => i != 1).SelectMany(p => p.First.Zip(p.Second)).Average(p => Math.Pow(p.First - p.Second, 2));
        Assert.That(error, Is.LessThan(0.05 * other));
    }

    [Test]
    public void NoiseThatIsTheGeneratorsOwnChangesNothing([Values(SamplerKind.Ddim, SamplerKind.Euler)] SamplerKind kind)
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.CreateRandom(kernels);
        SamplerTable table = new SamplerSettings { Kind = kind, Steps = 4 }.Build(model);
        float[] own = Picture();
        for (int e = 0; e < own.Length; e++) own[e] = (float)Philox.Normal(5, 7, 0, RandomStream.InitialNoise, e);
        float[][] images = Run(table, Request(null, 7), Request(SampleStart.Noise(own), 7), Request(null, 8));
        for (int e = 0; e < own.Length; e++) Assert.That(images[1][e], Is.EqualTo(images[0][e]).Within(1e-4));
        Assert.That(images[2], Is.Not.EqualTo(images[0]));
    }

    // From the cleanest level hardly anything is left to change; from the noisiest all is.
    [Test]
    public void APictureGetsNoiseOfTheFirstLevelAndIsEdited([Values] bool inEdmScale)
    {
        float[] picture = Picture();
        double Distance(int from)
        {
            var levels = Levels[from..];
            SamplerTable table = inEdmScale ? Samplers.Euler(levels, TinyModel.Settings.Prediction, clip: false) : Samplers.Ddim(levels, TinyModel.Settings.Prediction, clip: false);
            float[] image = Run(table, Request(SampleStart.Picture(picture)))[0];
            return Math.Sqrt(image.Zip(picture).Average(p => Math.Pow(p.First - p.Second, 2)));
        }
        Assert.That(Distance(199), Is.LessThan(0.05));
        Assert.That(Distance(150), Is.GreaterThan(Distance(199)));
        Assert.That(Distance(1), Is.GreaterThan(2 * Distance(150)));
    }

    [Test]
    public void WhatCannotStartIsRefused()
    {
        SamplerTable inversion = Samplers.DdimInversion(Levels, TinyModel.Settings.Prediction), ddim = Samplers.Ddim(Levels, TinyModel.Settings.Prediction);
        float[] picture = Picture();
        Assert.That(() => Run(inversion, Request(null)), Throws.ArgumentException.With.Message.Contains("starts from a picture"));
        Assert.That(() => Run(inversion, Request(SampleStart.Noise(picture))), Throws.ArgumentException.With.Message.Contains("starts from a picture"));
        Assert.That(() => Run(ddim, Request(SampleStart.Noise(new float[3]))), Throws.ArgumentException.With.Message.Contains("got 3"));
        picture[1] = float.NaN;
        Assert.That(() => Run(ddim, Request(SampleStart.Picture(picture))), Throws.ArgumentException.With.Message.Contains("NaN"));
    }
}
