using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Sampling;

[TestFixture]
public sealed class GuidedSamplerTests
{
    private static readonly SampleRequest[] Mixed =
    [
        new(0, new GuidanceScale(1), 0), new(1, new GuidanceScale(3), 1), new(2, new GuidanceScale(0), 2), new(-1, new GuidanceScale(1), 3),
        new(2, new GuidanceScale(1.5), 4), new(0, new GuidanceScale(5), 5), new(1, new GuidanceScale(1), 6),
    ];

    private static IEnumerable<SamplerSettings> AllSamplers =>
        from kind in Enum.GetValues<SamplerKind>()
        select new SamplerSettings { Kind = kind, Steps = 5, Eta = kind is SamplerKind.Ddim or SamplerKind.EulerAncestral ? 0.7 : null, Churn = new HeunChurn(kind == SamplerKind.Dpm2 ? 2 : 0) };

    [TestCaseSource(nameof(AllSamplers))]
    public void Pixels_do_not_depend_on_batch_company_or_threads(SamplerSettings settings)
    {
        float[][] expected = Sample(settings, Mixed, threads: 1, batch: 16);
        // The last step of all but LMS returns the clean sample, which is clipped.
        if (settings.Kind != SamplerKind.Lms) Assert.That(expected.SelectMany(i => i), Has.All.InRange(-1.0001f, 1.0001f));
        foreach (var (threads, batch) in new[] { (2, 16), (7, 3), (2, 1), (1, 5) })
            Assert.That(Sample(settings, Mixed, threads, batch), Is.EqualTo(expected), $"{threads} threads, batch {batch}");
        float[][] backwards = Sample(settings, [.. Mixed.Reverse()], threads: 2, batch: 4);
        Assert.That(backwards.Reverse(), Is.EqualTo(expected), "reversed order");
    }

    [Test]
    public void Strength_minus_one_is_the_unconditional_model_to_the_bit()
    {
        var settings = new SamplerSettings { Steps = 6 };
        var unconditional = Sample(settings, [new(-1, new GuidanceScale(1), 8)]);
        Assert.That(Sample(settings, [new(1, (GuidanceScale)new GuidanceStrength(-1), 8)]), Is.EqualTo(unconditional));
        Assert.That(Sample(settings, [new(1, new GuidanceScale(1), 8)]), Is.Not.EqualTo(unconditional));
    }

    [Test]
    public void Only_guided_rows_and_steps_have_a_null_half()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.CreateRandom(kernels);
        var table = new SamplerSettings { Steps = 4 }.Build(model);
        int Rows(int step, SampleRequest[] requests, GuidanceInterval interval)
        {
            using var buffers = new SamplerBuffers(model, 8, Guidance.ClassifierFree(interval), inOnePlan: true, explicitNoise: false);
            return buffers.SetRow(requests, table.Rows[step], new GuidanceMoment(step, 4, table.Rows[step].LogSnr), 0).Main;
        }

        Assert.That(Rows(0, Mixed, GuidanceInterval.Everywhere), Is.EqualTo(Mixed.Length + 3));
        Assert.That(Rows(0, Mixed, GuidanceInterval.Steps(1, 2)), Is.EqualTo(Mixed.Length));
        Assert.That(Rows(1, Mixed, GuidanceInterval.Steps(1, 2)), Is.EqualTo(Mixed.Length + 3));
        Assert.That(Rows(1, [Mixed[0]], GuidanceInterval.Everywhere), Is.EqualTo(1));
    }

    [Test]
    public void Images_are_taken_in_even_groups_of_at_most_the_batch()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.CreateRandom(kernels);
        using var sampler = new GuidedSampler(model, new SamplerSettings { Steps = 3 }, new GuidedSamplerOptions { Batch = 4 });
        using var fastest = new GuidedSampler(model, new SamplerSettings { Steps = 3 });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Enumerable.Range(0, sampler.Groups(9)).Select(g => sampler.Group(9, g)), Is.EqualTo(new[] { (0, 3), (3, 3), (6, 3) }));
            Assert.That(Enumerable.Range(0, sampler.Groups(5)).Select(g => sampler.Group(5, g).Count), Is.EqualTo(new[] { 2, 3 }));
            Assert.That((sampler.Batch, sampler.Groups(4), sampler.Groups(0), sampler.Evaluations(9)), Is.EqualTo((4, 1, 0, 9)));
            Assert.That(fastest.Batch, Is.GreaterThan(4), "a tiny network");
        }
        List<SamplingProgress> reports = [];
        sampler.Sample(Mixed, (_, _) => { }, new Reports(reports));
        Assert.That(reports, Has.Count.EqualTo(sampler.Evaluations(Mixed.Length)));
        Assert.That(reports[^1], Is.EqualTo(new SamplingProgress(6, 6, Mixed.Length)));
    }

    private sealed class Reports(List<SamplingProgress> list) : IProgress<SamplingProgress>
    {
        public void Report(SamplingProgress value) => list.Add(value);
    }

    [Test]
    public void An_interval_over_all_steps_is_guidance_and_an_empty_one_is_none()
    {
        var settings = new SamplerSettings { Steps = 5 };
        SampleRequest[] guided = [new(1, new GuidanceScale(3), 1)], plain = [new(1, new GuidanceScale(1), 1)];
        Assert.That(Sample(settings, guided, interval: GuidanceInterval.Steps(0, 4)), Is.EqualTo(Sample(settings, guided)));
        Assert.That(Sample(settings, guided, interval: GuidanceInterval.Steps(3, 2)), Is.EqualTo(Sample(settings, plain)));
        Assert.That(Sample(settings, guided, interval: GuidanceInterval.Steps(1, 2)), Is.Not.EqualTo(Sample(settings, guided)).And.Not.EqualTo(Sample(settings, plain)));
    }

    [Test]
    public void A_class_equal_to_null_makes_guidance_a_no_op()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.CreateRandom(kernels);
        var table = model.Parameters.ValueOf(model.Parameters["label_emb.weight"]);
        table.Rows(model.NullLabel, 1).Span.CopyTo(table.Rows(1, 1).Span);
        model.Parameters.MarkChanged();
        float[] plain = [], guided = [];
        using var sampler = new GuidedSampler(model, new SamplerSettings { Steps = 5 });
        sampler.Sample([new(1, new GuidanceScale(1), 0)], (_, p) => plain = p.ToArray());
        sampler.Sample([new(1, new GuidanceScale(8), 0)], (_, p) => guided = p.ToArray());
        for (int i = 0; i < plain.Length; i++) Assert.That(guided[i], Is.EqualTo(plain[i]).Within(1e-6));
    }

    [Test]
    public void The_loop_allocates_nothing()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.CreateRandom(kernels);
        using var sampler = new GuidedSampler(model, new SamplerSettings { Steps = 30 });
        sampler.Sample(Mixed, (_, _) => { });
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int row = 0; row < 30; row++) sampler.Advance(Mixed, row);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }

    [Test]
    public void Bad_requests_are_named_and_cancelling_stops()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.CreateRandom(kernels);
        using var sampler = new GuidedSampler(model, new SamplerSettings { Steps = 4 });
        Assert.That(() => sampler.Sample([new(3, new GuidanceScale(1), 0)]), Throws.ArgumentException.With.Message.Contains("3").And.Message.Contains("0 to 2"));
        Assert.That(() => sampler.Sample([new(-1, new GuidanceScale(2), 0)]), Throws.ArgumentException);
        Assert.That(() => sampler.Sample([new(0, new GuidanceScale(double.NaN), 0)]), Throws.ArgumentException);
        Assert.That(() => new GuidedSampler(model, new SamplerSettings { Kind = SamplerKind.Ancestral, Spacing = SpacingKind.Karras }),
            Throws.ArgumentException.With.Message.Contains("uniform"));
        using var cancel = new CancellationTokenSource();
        cancel.Cancel();
        Assert.That(() => sampler.Sample(Mixed, cancellation: cancel.Token), Throws.InstanceOf<OperationCanceledException>());
    }

    private static float[][] Sample(SamplerSettings settings, SampleRequest[] requests, int threads = 2, int batch = 16, GuidanceInterval interval = default)
    {
        using var kernels = new CpuKernels(threads);
        using var model = TinyModel.CreateRandom(kernels);
        using var sampler = new GuidedSampler(model, settings, new GuidedSamplerOptions { Batch = batch, Seed = 21, Guidance = Guidance.ClassifierFree(interval) });
        float[][] images = new float[requests.Length][];
        sampler.Sample(requests, (i, pixels) => images[i] = pixels.ToArray());
        return images;
    }
}
