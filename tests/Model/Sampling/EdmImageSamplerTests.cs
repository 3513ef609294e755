using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Schedules;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Sampling;

/// <summary>Heun's steps in double, and the sampler of EDM's networks around them.</summary>
internal sealed class EdmImageSamplerTests
{
    private static readonly DhariwalUNetConfig Network = new()
    {
        ImgResolution = 8, ImgChannels = 1, ModelChannels = 32, ChannelMult = [1, 2], NumBlocks = 1, AttnResolutions = [4], LabelDim = 3, LabelDropout = 0.1,
    };

    private static readonly DiffusionSettings Settings = new() { Schedule = NoiseScheduleKind.Edm, ClassNames = ["a", "b", "c"], PixelOffset = 128 };

    // The exact denoiser of N(0, s^2) data, and its exact flow.
    private static double Error(int steps)
    {
        const double Deviation = 0.5;
        double[] sigmas = Spacing.Karras(steps), x = [80, -13];
        var state = new double[2];
        HeunSolver.Run(x, sigmas, HeunChurn.None, s => s, (at, sigma, denoised) =>
        {
            for (int e = 0; e < at.Length; e++) denoised[e] = Deviation * Deviation / (Deviation * Deviation + sigma * sigma) * at[e];
        }, (_, _) => throw new InvalidOperationException("no churn, no noise"), (step, after) =>
        {
            // The last step, to 0, is of first order.
            if (step == steps - 2) after.CopyTo(state, 0);
        });
        double exact = Math.Sqrt((Deviation * Deviation + sigmas[^1] * sigmas[^1]) / (Deviation * Deviation + sigmas[0] * sigmas[0]));
        Assert.That(state[1] / state[0], Is.EqualTo(-13.0 / 80).Within(1e-12));
        return Math.Abs(state[0] - 80 * exact);
    }

    [Test]
    public void Convergence_is_of_second_order([Values(64, 128, 256)] int steps) => Assert.That(Math.Log2(Error(steps) / Error(2 * steps)), Is.EqualTo(2).Within(0.15));

    [Test]
    public void Churn_raises_the_level_and_adds_its_noise()
    {
        double[] x = [2];
        var levels = new List<double>();
        double gamma = Math.Min(0.6 / 2, Math.Sqrt(2) - 1), raised = 1 * (1 + gamma), noise = Math.Sqrt(raised * raised - 1) * 1.5;
        HeunSolver.Run(x, [1, 0.1], new HeunChurn(0.6, 0.5, 2, 1.5), s => s, (at, sigma, denoised) =>
        {
            if (levels.Count == 0) Assert.That(at[0], Is.EqualTo(2 - 3 * noise).Within(1e-12));
            levels.Add(sigma);
            denoised[0] = 0;
        }, (step, to) => to[0] = step == 0 ? -3 : throw new InvalidOperationException("0.1 lies outside the churn's range"), null);
        Assert.That(levels, Is.EqualTo(new[] { raised, 0.1, 0.1 }).Within(1e-12));
    }

    [Test]
    public void An_image_depends_on_its_seed_alone()
    {
        using var kernels = new CpuKernels(2);
        using var model = Model(kernels);
        EdmRequest[] requests = [new(5, 1), new(6, -1), new(7), new(8, 2, new GuidanceScale(1.7)), new(9, 0)];
        double[][] Run(int batch, HeunChurn churn, params int[] order)
        {
            using var sampler = new EdmSampler(model, new EdmSamplerSettings { Steps = 3, Batch = batch, Churn = churn });
            var images = new double[5][];
            sampler.Sample([.. order.Select(i => requests[i])], (i, image) => images[order[i]] = image.ToArray());
            return images;
        }
        var churn = new HeunChurn(1, 0.05, 50, 1.003);
        double[][] first = Run(5, churn, 0, 1, 2, 3, 4), other = Run(2, churn, 4, 2, 0, 3, 1), plain = Run(5, HeunChurn.None, 0, 1, 2, 3, 4);
        for (int i = 0; i < 5; i++)
        {
            Assert.That(other[i], Is.EqualTo(first[i]), $"image {i}");
            Assert.That(plain[i], Is.Not.EqualTo(first[i]));
        }
        Assert.That(first[2], Is.Not.EqualTo(first[1]));
    }

    [Test]
    public void Guidance_combines_the_two_denoised_images()
    {
        using var kernels = new CpuKernels(2);
        using var model = Model(kernels);
        using var sampler = new EdmSampler(model, new EdmSamplerSettings { Steps = 2, SigmaMin = 1, SigmaMax = 1.0000001 });
        // Two nearly equal levels: the last step returns the denoised image of nearly the same state.
        double[] Sample(int label, double scale)
        {
            double[] image = [];
            sampler.Sample([new EdmRequest(3, label, new GuidanceScale(scale))], (_, i) => image = i.ToArray());
            return image;
        }
        double[] conditional = Sample(1, 1), unconditional = Sample(-1, 1), guided = Sample(1, 2.5);
        Assert.That(guided, Is.EqualTo(unconditional.Zip(conditional, (u, c) => u + 2.5 * (c - u))).Within(1e-4));
        Assert.That(guided, Is.Not.EqualTo(conditional).Within(1e-3));
    }

    [Test]
    public void Heun_in_double_is_heun_on_the_device([Values(NoiseScheduleKind.Edm, NoiseScheduleKind.VpSde, NoiseScheduleKind.VeSde, NoiseScheduleKind.Iddpm)] NoiseScheduleKind schedule)
    {
        using var kernels = new CpuKernels(2);
        using var model = Model(kernels, schedule);
        using var onDevice = new GuidedSampler(model, new SamplerSettings { Kind = SamplerKind.Heun, Steps = 5, Clip = false }, new GuidedSamplerOptions { Seed = 11 });
        float[] expected = [];
        onDevice.Sample([new SampleRequest(1, new GuidanceScale(1.5), 0)], (_, image) => expected = image.ToArray());
        using var sampler = new EdmSampler(model, new EdmSamplerSettings { Steps = 5 });
        double[] got = [];
        sampler.Sample([new EdmRequest(11, 1, new GuidanceScale(1.5))], (_, image) => got = image.ToArray());
        double largest = expected.Max(Math.Abs);
        Assert.That(got, Is.EqualTo(expected.Select(v => (double)v)).Within(2e-3 * largest));
        Assert.That(sampler.Sample([new EdmRequest(11, 1, new GuidanceScale(1.5))])[0].Width, Is.EqualTo(8));
    }

    [Test]
    public void Requests_that_the_model_cannot_serve_are_refused()
    {
        using var kernels = new CpuKernels(1);
        using var model = Model(kernels);
        using var sampler = new EdmSampler(model);
        Assert.That(() => sampler.Sample([new EdmRequest(1, 3)]), Throws.ArgumentException.With.Message.Contains("3"));
        using var linear = TinyModel.Create(kernels);
        Assert.That(() => new EdmSampler(linear), Throws.ArgumentException.With.Message.Contains("Heun"));
        using var withoutNull = new DiffusionModel(Network with { LabelDropout = 0 }, Settings with { NullClass = false }, kernels);
        using var plain = new EdmSampler(withoutNull);
        Assert.That(() => plain.Sample([new EdmRequest(1, 1, new GuidanceScale(2))]), Throws.ArgumentException.With.Message.Contains("null class"));
    }

    private static DiffusionModel Model(IKernels kernels, NoiseScheduleKind schedule = NoiseScheduleKind.Edm)
    {
        var model = new DiffusionModel(Network, Settings with { Schedule = schedule }, kernels);
        TinyModel.FillRandom(model.Parameters, kernels);
        return model;
    }
}
