using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Training;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Sampling;

/// <summary>One model under several threads, one object under two callers, and objects after their end.</summary>
public sealed class ConcurrentUseTests
{
    private static readonly SampleRequest[] Requests =
        [new(0, new GuidanceScale(3), 0), new(2, new GuidanceScale(1), 1), new(1, new GuidanceScale(2), 2)];

    private static readonly TrainingSettings Short = new() { Steps = 3, BatchSize = 4 };

    private static readonly ClassifierConfig SmallClassifier = new() { ImageSize = TinyModel.Size, Width = 8, Levels = 2, NormGroups = 4, ClassNames = ["top", "left", "full"] };

    [Test]
    public void Every_pixel_is_that_of_one_thread([Values(2, 5, 16)] int threads, [Values(1, 3)] int workers) => Stress(threads, workers, calls: 3);

    [Test, Explicit("a minute"), Category("Stress")]
    public void Every_pixel_is_that_of_one_thread_for_long([Range(2, 16, 2)] int threads, [Values(1, 2, 4)] int workers) => Stress(threads, workers, calls: 40);

    [Test]
    public void Samplers_of_several_models_share_a_device()
    {
        using var kernels = new CpuKernels(2);
        DiffusionModel[] models = [.. Enumerable.Range(0, 3).Select(i => TinyModel.CreateRandom(kernels, TinyModel.Network with { ModelChannels = 8 + 4 * i }))];
        float[][] alone = [.. models.Select(m => Draw(m, 1))];
        Assert.That(InThreads(6, thread => Draw(models[thread % 3], 1).AsSpan().SequenceEqual(alone[thread % 3])), Is.All.True);
        foreach (var model in models) model.Dispose();
    }

    [Test]
    public void A_classifier_beside_samplers_judges_as_alone()
    {
        using var kernels = new CpuKernels(2);
        using var model = TinyModel.CreateRandom(kernels);
        ImageClassifier[] classifiers = [.. Enumerable.Range(0, 2).Select(_ => new ImageClassifier(SmallClassifier, kernels, seed: 2))];
        float[] pixels = Draw(model, 1);
        double[] alone = [.. classifiers[0].Classify(pixels).Probabilities.Select(p => (double)p)];
        Assert.That(InThreads(4, thread => thread < 2
            ? classifiers[thread].Classify(pixels).Probabilities.Select(p => (double)p).SequenceEqual(alone)
            : Draw(model, 1).AsSpan().SequenceEqual(pixels)), Is.All.True);
        foreach (var classifier in classifiers) classifier.Dispose();
    }

    [Test]
    public void Samplers_share_a_classifier_guiders_and_a_weak_model_while_it_classifies()
    {
        using var kernels = new CpuKernels(2);
        using var model = TinyModel.CreateRandom(kernels);
        using var weak = TinyModel.CreateRandom(kernels, TinyModel.Network with { ModelChannels = 12 });
        using var classifier = new ImageClassifier(SmallClassifier, kernels, seed: 2);
        var guidance = new Guidance
        {
            Branches = [new NullBranch(), new WeakBranch(weak)],
            Gradients = [new EluCdGuider(classifier, EluCdSettings.Ddpm)], Combination = new ProjectedCombination(), Threshold = new DynamicThreshold(),
        };
        float[][] alone = [.. Enumerable.Range(0, 3).Select(seed => Draw(model, seed, guidance))];
        double[] judged = Judge();
        Assert.That(InThreads(5, thread => Enumerable.Range(thread, 3).All(call => thread == 4
            ? Judge().SequenceEqual(judged)
            : Draw(model, call % 3, guidance).AsSpan().SequenceEqual(alone[call % 3]))), Is.All.True);

        double[] Judge() => [.. classifier.Classify(alone[0]).Probabilities.Select(p => (double)p)];
    }

    [Test]
    public void A_second_caller_of_a_sampler_is_refused()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.CreateRandom(kernels);
        using var sampler = Sampler(model, 0);
        Exception? inside = null, elsewhere = null;
        sampler.Sample(Requests, new Immediately(() =>
        {
            inside ??= Thrown(() => sampler.Sample(Requests));
            elsewhere ??= Task.Run(() => Thrown(() => sampler.Sample(Requests))).GetAwaiter().GetResult();
        }));
        foreach (var thrown in new[] { inside, elsewhere })
            Assert.That(thrown, Is.TypeOf<InvalidOperationException>().With.Message.Contains("GuidedSampler").And.Message.Contains("one for each thread"));
    }

    [Test]
    public void What_is_in_use_is_neither_disposed_nor_changed()
    {
        var kernels = new CpuKernels(1);
        var model = TinyModel.CreateRandom(kernels);
        var sampler = Sampler(model, 0);
        using var trainer = new Trainer(model, TinyModel.Data(), Short);
        float[] before = Draw(model, 0);
        int refused = 0;
        byte[] pixels = Pixels(sampler.Sample(Requests, new Immediately(() =>
        {
            Action[] wrong =
            [
                model.Dispose, model.Parameters.Dispose, sampler.Dispose, () => trainer.RunStep(), () => model.Parameters.CopyValuesFrom(trainer.Average),
                () => kernels.Upload([1f], model.Parameters.Values), model.Parameters.Values.Memory!.Dispose,
            ];
            foreach (var act in wrong)
            {
                Assert.That(() => act(), Throws.TypeOf<InvalidOperationException>());
                refused++;
            }
            model.Save(Path.Combine(TestContext.CurrentContext.WorkDirectory, "in-use.safetensors"));
        })));
        Assert.That(refused, Is.EqualTo(7 * sampler.Evaluations(Requests.Length)));
        Assert.That(Draw(model, 0), Is.EqualTo(before));
        Assert.That(pixels, Has.Length.EqualTo(Requests.Length * TinyModel.Size * TinyModel.Size));
        Assert.That(() => trainer.RunStep(), Throws.Nothing);
        sampler.Dispose();
        model.Dispose();
        kernels.Dispose();
    }

    [Test]
    public void A_device_is_not_disposed_under_a_running_plan()
    {
        var kernels = new CpuKernels(1);
        var builder = new PlanBuilder(kernels);
        var x = builder.Input("x", new Shape(4));
        var y = builder.Output("y", builder.Silu(x));
        Plan? plan = null;
        List<Exception?> thrown = [];
        builder.Record("Own", [x, y], [y], _ => thrown.AddRange([Thrown(kernels.Dispose), Thrown(plan!.Dispose), Thrown(plan!.Run), Thrown(y.View.Memory!.Dispose)]));
        plan = builder.Build();
        plan.Run();
        Assert.That(thrown, Has.Count.EqualTo(4).And.All.TypeOf<InvalidOperationException>());
        plan.Dispose();
        kernels.Dispose();
    }

    [Test]
    public void An_op_of_ones_own_computes_on_the_host()
    {
        using var kernels = new CpuKernels(1);
        var builder = new PlanBuilder(kernels);
        var x = builder.Silu(builder.Input("x", new Shape(4)));
        var y = builder.Temporary(x.Shape, "cube");
        float[] values = new float[4];
        builder.Record("Cube", [x], [y], device =>
        {
            device.Download(x.View, values);
            for (int i = 0; i < values.Length; i++) values[i] *= values[i] * values[i];
            device.Upload(values, y.View);
        });
        builder.Output("z", builder.Add(y, y));
        using var plan = builder.Build();
        kernels.Upload([1f, -1, 2, 0], plan.Input("x"));
        plan.Run();
        float[] z = new float[4];
        kernels.Download(plan.Output("z"), z);
        Assert.That(z, Is.EqualTo(new[] { 1.0, -1, 2, 0 }.Select(v => 2 * Math.Pow(v / (1 + Math.Exp(-v)), 3))).Within(1e-5));
    }

    [Test]
    public void Plans_on_one_arena_are_refused_at_once_and_plans_with_their_own_are_not()
    {
        using var kernels = new CpuKernels(1);
        using var arena = new Arena(kernels);
        Plan Of(Arena? memory, Action? within)
        {
            var builder = new PlanBuilder(kernels);
            var x = builder.Input("x", new Shape(4));
            var y = builder.Output("y", builder.Silu(x));
            if (within is not null) builder.Record("Own", [x], [y], _ => within());
            return builder.Build(memory);
        }
        using Plan first = Of(arena, null), own = Of(null, null);
        using var outer = Of(arena, () =>
        {
            Assert.That(first.Run, Throws.InvalidOperationException.With.Message.Contains("Arena"));
            own.Run();
        });
        outer.Run();
        first.Run();
    }

    [Test]
    public void What_is_disposed_says_so_by_its_name()
    {
        foreach (string what in new[] { nameof(DiffusionModel), nameof(GuidedSampler), nameof(CpuKernels), nameof(Trainer), nameof(Plan), nameof(Arena), nameof(ImageClassifier) })
        {
            using var kernels = new CpuKernels(1);
            using var model = TinyModel.CreateRandom(kernels);
            using var arena = new Arena(kernels);
            using var sampler = new GuidedSampler(model, new SamplerSettings { Steps = 2 }, new GuidedSamplerOptions { Batch = 2 }, arena);
            using var trainer = new Trainer(model, TinyModel.Data(), Short);
            using var classifier = new ImageClassifier(SmallClassifier, kernels);
            using var classifierTrainer = new ClassifierTrainer(classifier, TinyModel.Data(), new ClassifierTrainingSettings { Epochs = 1, BatchSize = 8 });
            var builder = new PlanBuilder(kernels);
            builder.Output("y", builder.Silu(builder.Input("x", new Shape(4))));
            using var plan = builder.Build();
            float[] pixels = new float[TinyModel.Size * TinyModel.Size];
            sampler.Sample(Requests);
            string path = Path.Combine(TestContext.CurrentContext.WorkDirectory, "disposed.safetensors");
            Action sample = () => sampler.Sample(Requests), run = () => trainer.RunStep(), classify = () => classifier.Classify(pixels);
            var (dispose, uses) = what switch
            {
                nameof(DiffusionModel) => ((Action)model.Dispose, new[] { sample, run, () => model.Save(path), () => _ = Sampler(model, 1), () => model.Parameters.Clone() }),
                nameof(GuidedSampler) => (sampler.Dispose, [sample]),
                nameof(CpuKernels) => (kernels.Dispose, [sample, run, classify, plan.Run, () => _ = Sampler(model, 1), () => kernels.Allocate(1)]),
                nameof(Trainer) => (trainer.Dispose, [run, () => trainer.Run(), () => trainer.Save(path), () => trainer.SaveModel(path)]),
                nameof(Plan) => (plan.Dispose, [plan.Run, plan.RunProfiled, () => plan.Input("x"), () => plan.Output("y")]),
                nameof(Arena) => (arena.Dispose, [sample]),
                _ => (classifier.Dispose, [classify, () => classifier.Save(path), () => classifierTrainer.Run()]),
            };
            dispose();
            foreach (var use in uses)
                Assert.That(() => use(), Throws.TypeOf<ObjectDisposedException>().With.Property("ObjectName").EqualTo(what), $"{what}, use {Array.IndexOf(uses, use)}");
            Assert.That(() => dispose(), Throws.Nothing, "again");
        }
    }

    [Test]
    public void Disposing_while_others_sample_is_an_exception_and_never_a_wrong_pixel()
    {
        using var kernels = new CpuKernels(2);
        for (int round = 0; round < 10; round++)
        {
            var model = TinyModel.CreateRandom(kernels);
            float[] alone = Draw(model, 7);
            using var started = new CountdownEvent(3);
            int wrong = 0;
            var disposer = new Thread(() =>
            {
                started.Wait();
                while (Thrown(model.Dispose) is InvalidOperationException) Thread.Yield();
            });
            disposer.Start();
            InThreads(3, _ =>
            {
                started.Signal();
                for (int call = 0; call < 5; call++)
                    try
                    {
                        if (!Draw(model, 7).AsSpan().SequenceEqual(alone)) Interlocked.Increment(ref wrong);
                    }
                    catch (ObjectDisposedException)
                    {
                        return true;
                    }
                return true;
            });
            disposer.Join();
            Assert.That(wrong, Is.Zero);
        }
    }

    private static void Stress(int threads, int workers, int calls)
    {
        const int Seeds = 4;
        float[][] alone;
        using (var one = new CpuKernels(1))
        using (var model = TinyModel.CreateRandom(one))
            alone = [.. Enumerable.Range(0, Seeds).Select(seed => Draw(model, seed))];
        using var kernels = new CpuKernels(workers);
        // Fresh weights: the first to come packs them for all.
        using var shared = TinyModel.CreateRandom(kernels);
        using var ready = new Barrier(threads);
        var right = InThreads(threads, thread =>
        {
            ready.SignalAndWait();
            return Enumerable.Range(thread, calls).All(call => Draw(shared, call % Seeds).AsSpan().SequenceEqual(alone[call % Seeds]));
        });
        Assert.That(right, Is.All.True);
    }

    private static T[] InThreads<T>(int count, Func<int, T> work)
    {
        var results = new T[count];
        var errors = new Exception?[count];
        Thread[] threads = [.. Enumerable.Range(0, count).Select(i => new Thread(() => errors[i] = Thrown(() => results[i] = work(i))))];
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();
        Assert.That(errors, Is.All.Null);
        return results;
    }

    private static GuidedSampler Sampler(DiffusionModel model, int seed, Guidance? guidance = null) => new(
        model, new SamplerSettings { Kind = guidance is null ? SamplerKind.DpmSolver2M : SamplerKind.Ancestral, Steps = 3 },
        new GuidedSamplerOptions { Batch = 2, Seed = (ulong)seed, Guidance = guidance });

    private static float[] Draw(DiffusionModel model, int seed, Guidance? guidance = null)
    {
        using var sampler = Sampler(model, seed, guidance);
        float[] images = new float[Requests.Length * TinyModel.Size * TinyModel.Size];
        sampler.Sample(Requests, (position, pixels) => pixels.CopyTo(images.AsSpan(position * pixels.Length)));
        return images;
    }

    private static byte[] Pixels(NativeDiffusion.Model.Images.Image[] images) => [.. images.SelectMany(image => image.Pixels.ToArray())];

    private static Exception? Thrown(Action act)
    {
        try
        {
            act();
            return null;
        }
        catch (Exception e)
        {
            return e;
        }
    }

    private sealed class Immediately(Action act) : IProgress<SamplingProgress>
    {
        public void Report(SamplingProgress value) => act();
    }
}
