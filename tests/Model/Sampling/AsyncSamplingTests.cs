using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Training;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Sampling;

/// <summary>Sampling and training beside the caller, and how they are ended.</summary>
public sealed class AsyncSamplingTests
{
    private static readonly SampleRequest[] Requests = [.. Enumerable.Range(0, 7).Select(i => new SampleRequest(i % 3, new GuidanceScale(2), i))];

    private CpuKernels _kernels = null!;
    private DiffusionModel _model = null!;
    private GuidedSampler _sampler = null!;
    private byte[][] _alone = null!;

    [SetUp]
    public void Make()
    {
        _kernels = new CpuKernels(1);
        _model = TinyModel.CreateRandom(_kernels);
        _sampler = new GuidedSampler(_model, new SamplerSettings { Steps = 3 }, new GuidedSamplerOptions { Batch = 2, Seed = 4 });
        _alone = [.. _sampler.Sample(Requests).Select(Bytes)];
    }

    [TearDown]
    public void Free()
    {
        _sampler.Dispose();
        _model.Dispose();
        _kernels.Dispose();
    }

    [Test]
    public async Task Images_are_those_of_the_caller_s_own_thread_and_the_caller_is_free()
    {
        using var hold = new ManualResetEventSlim();
        int samplingThread = 0;
        List<SampleRequest> requests = [.. Requests];
        var sampling = _sampler.SampleAsync(requests, new Immediately(_ =>
        {
            samplingThread = Environment.CurrentManagedThreadId;
            hold.Wait();
        }));
        requests.Clear();
        Assert.That(sampling.IsCompleted, Is.False, "the caller goes on while it samples");
        hold.Set();
        Assert.That((await sampling).Select(Bytes), Is.EqualTo(_alone));
        Assert.That(samplingThread, Is.Not.Zero);
    }

    [Test]
    public async Task Each_image_comes_when_it_is_finished()
    {
        List<int> positions = [];
        await foreach (var (position, image) in _sampler.SampleEachAsync(Requests))
        {
            Assert.That(Bytes(image), Is.EqualTo(_alone[position]));
            positions.Add(position);
        }
        Assert.That(positions, Is.EqualTo(Enumerable.Range(0, Requests.Length)));
    }

    [Test]
    public async Task Who_takes_no_more_ends_it_and_the_sampler_is_free()
    {
        await foreach (var _ in _sampler.SampleEachAsync(Requests)) break;
        Assert.That(_sampler.Sample(Requests).Select(Bytes), Is.EqualTo(_alone));
    }

    [Test]
    public async Task A_second_call_is_refused_in_its_task()
    {
        using var hold = new ManualResetEventSlim();
        using var begun = new ManualResetEventSlim();
        var first = _sampler.SampleAsync(Requests, new Immediately(_ =>
        {
            begun.Set();
            hold.Wait();
        }));
        begun.Wait();
        Assert.That(async () => await _sampler.SampleAsync(Requests), Throws.InvalidOperationException.With.Message.Contains("one for each thread"));
        Assert.That(async () => await Count(_sampler.SampleEachAsync(Requests)), Throws.InvalidOperationException);
        hold.Set();
        Assert.That((await first).Select(Bytes), Is.EqualTo(_alone));
    }

    [Test]
    public void Wrong_requests_are_exceptions_of_the_task()
    {
        SampleRequest[] wrong = [new(9, new GuidanceScale(2), 0)];
        Assert.That(async () => await _sampler.SampleAsync(wrong), Throws.ArgumentException.With.Message.Contains("Label 9"));
        Assert.That(async () => await Count(_sampler.SampleEachAsync(wrong)), Throws.ArgumentException.With.Message.Contains("Label 9"));
    }

    [Test]
    public void Cancelled_it_ends_with_the_caller_s_token_and_the_sampler_is_free()
    {
        foreach (bool each in new[] { false, true })
        {
            using var cancel = new CancellationTokenSource();
            var progress = new Immediately(p =>
            {
                if (p.Evaluation == 2) cancel.Cancel();
            });
            Assert.That(
                async () => _ = each ? await Count(_sampler.SampleEachAsync(Requests, progress, cancel.Token)) : (await _sampler.SampleAsync(Requests, progress, cancel.Token)).Length,
                Throws.InstanceOf<OperationCanceledException>().With.Property("CancellationToken").EqualTo(cancel.Token));
            Assert.That(_sampler.Sample(Requests).Select(Bytes), Is.EqualTo(_alone));
        }
    }

    [Test]
    public void Cancelled_within_an_evaluation_no_further_kernel_runs()
    {
        using var cancel = new CancellationTokenSource();
        int evaluations = 0;
        var guider = new CancellingGuider(cancel);
        using var guided = new GuidedSampler(
            _model, new SamplerSettings { Steps = 3 }, new GuidedSamplerOptions { Batch = 2, Seed = 4, Guidance = new Guidance { Branches = [], Gradients = [guider] } });
        Assert.That(() => guided.Sample(Requests, new Immediately(_ => evaluations++), cancel.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That((evaluations, guider.Before, guider.After), Is.EqualTo((0, 1, 0)));
    }

    [Test]
    public void Cancelled_while_another_has_the_device_it_does_not_wait()
    {
        using var cancel = new CancellationTokenSource();
        using (((IKernels)_kernels).Queue.Enter())
        {
            var sampling = _sampler.SampleAsync(Requests, null, cancel.Token);
            Assert.That(sampling.Wait(20), Is.False);
            cancel.Cancel();
            Assert.That(async () => await sampling.WaitAsync(TimeSpan.FromSeconds(20)), Throws.InstanceOf<OperationCanceledException>());
        }
        Assert.That(_sampler.Sample(Requests).Select(Bytes), Is.EqualTo(_alone), "its place in the queue was given away");
    }

    [Test]
    public async Task A_training_goes_on_beside_its_caller()
    {
        var settings = new TrainingSettings { Steps = 4, BatchSize = 4 };
        using var trainer = new Trainer(_model, TinyModel.Data(), settings);
        float[] inTurn = await Trained(async other => await other.RunAsync());
        int steps = 0;
        await foreach (var step in trainer.RunEachAsync())
        {
            steps++;
            Assert.That(step.Step, Is.EqualTo(steps));
            using var sampler = new GuidedSampler(_model, new SamplerSettings { Steps = 2 });
            Assert.That(sampler.Sample(Requests[..1]), Has.Length.EqualTo(1));
        }
        Assert.That(steps, Is.EqualTo(4));
        Assert.That(inTurn, Is.EqualTo(_model.Parameters.Values.Span.ToArray()));

        async Task<float[]> Trained(Func<Trainer, Task> run)
        {
            using var model = TinyModel.CreateRandom(_kernels);
            using var other = new Trainer(model, TinyModel.Data(), settings);
            await run(other);
            return model.Parameters.Values.Span.ToArray();
        }
    }

    private static async Task<int> Count(IAsyncEnumerable<SampledImage> images)
    {
        int count = 0;
        await foreach (var _ in images) count++;
        return count;
    }

    private static byte[] Bytes(Image image) => image.Pixels.ToArray();

    private sealed class Immediately(Action<SamplingProgress> act) : IProgress<SamplingProgress>
    {
        public void Report(SamplingProgress value) => act(value);
    }

    /// <summary>Pulls nowhere, and cancels in the middle of its plan.</summary>
    private sealed class CancellingGuider(CancellationTokenSource cancel) : GradientGuider
    {
        public int Before { get; private set; }

        public int After { get; private set; }

        public override string Name => "cancelling";

        public override GradientPoint Point => GradientPoint.Denoised;

        public override GradientTarget Target => GradientTarget.Score;

        public override double Weight(SampleRequest request) => 1;

        public override GradientObjective Record(PlanBuilder b, GradientInputs inputs)
        {
            var middle = b.Temporary(inputs.Image.Shape, "middle");
            b.Record("Cancel", [inputs.Image], [middle], _ =>
            {
                Before++;
                cancel.Cancel();
            });
            b.Record("Later", [inputs.Image], [middle], _ => After++);
            return new GradientObjective(b.Scale(inputs.Image, 1), b.Scale(inputs.Image, 0));
        }
    }
}
