using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Sampling;

/// <summary>What an observer is told, and what it may not do meanwhile.</summary>
[TestFixture]
public sealed class SamplerObservationTests
{
    private static readonly SampleRequest[] Requests = [.. Enumerable.Range(0, 5).Select(i => new SampleRequest(i % 3, new GuidanceScale(2), i))];

    [Test]
    public void An_observer_sees_every_step_of_every_group_and_changes_no_bit()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.CreateRandom(kernels);
        var settings = new SamplerSettings { Kind = SamplerKind.Ddim, Steps = 4 };
        float[][] Sample(Action<SamplerObservation>? observer)
        {
            using var sampler = new GuidedSampler(model, settings, new GuidedSamplerOptions { Batch = 3, Seed = 5, Observer = observer });
            float[][] images = new float[Requests.Length][];
            sampler.Sample(Requests, (i, pixels) => images[i] = pixels.ToArray());
            return images;
        }

        List<(int Row, int Step, int Steps, int First, int Images)> seen = [];
        float[] last = [];
        float[][] watched = Sample(o =>
        {
            seen.Add((o.Row, o.Moment.Step, o.Moment.Steps, o.First, o.State.Shape.Batch));
            if (o.Row != 3) return;
            float[] state = new float[o.State.Count], denoised = new float[o.Denoised.Count];
            kernels.Download(o.State, state);
            kernels.Download(o.Denoised, denoised);
            Assert.That(state, Is.EqualTo(denoised), "the last step returns the clean prediction");
            last = state;
        });
        Assert.That(watched, Is.EqualTo(Sample(null)));
        Assert.That(seen, Is.EqualTo(from first in new[] { 0, 2 } from row in Enumerable.Range(0, 4) select (row, row, 4, first, first == 0 ? 2 : 3)));
        Assert.That(last, Is.EqualTo(watched.Skip(2).SelectMany(i => i)));
    }

    [Test]
    public void Weights_of_a_guider_are_not_disposed_while_a_sampler_reads_them()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.CreateRandom(kernels);
        var weak = TinyModel.CreateRandom(kernels);
        int refused = 0;
        using var sampler = new GuidedSampler(model, new SamplerSettings { Steps = 2 }, new GuidedSamplerOptions
        {
            Guidance = new Guidance { Branches = [new WeakBranch(weak)] },
            Observer = _ =>
            {
                Assert.That(weak.Dispose, Throws.InvalidOperationException);
                refused++;
            },
        });
        sampler.Sample(Requests, (_, _) => { });
        Assert.That(refused, Is.EqualTo(2));
        weak.Dispose();
        Assert.That(() => sampler.Sample(Requests, (_, _) => { }), Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public void A_strong_model_guided_by_itself_is_left_as_it_is()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.CreateRandom(kernels);
        float[][] Sample(Guidance guidance)
        {
            using var sampler = new GuidedSampler(model, new SamplerSettings { Steps = 4 }, new GuidedSamplerOptions { Guidance = guidance });
            float[][] images = new float[Requests.Length][];
            sampler.Sample(Requests, (i, pixels) => images[i] = pixels.ToArray());
            return images;
        }

        Assert.That(Sample(new Guidance { Branches = [new WeakBranch(model, new GuidanceScale(3))] }), Is.EqualTo(Sample(Guidance.None)));
    }
}
