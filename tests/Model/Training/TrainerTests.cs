using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Training;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Training;

[TestFixture]
public sealed class TrainerTests
{
    private static readonly TrainingSettings Short = new() { BatchSize = 6, Steps = 12, WarmupSteps = 3, LearningRate = 2e-3, Seed = 11 };

    private string _folder = "";

    [SetUp]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("nd-trainer").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    private static IEnumerable<TestCaseData> Kinds()
    {
        foreach (int stop in new[] { 1, 5, 11 }) yield return new TestCaseData(stop, Short, TinyModel.Settings);
        var everything = Short with
        {
            Steps = 40, Flip = true, MaxShift = 1, AverageHalfLife = 30, LearningRateDecay = LearningRateDecay.Linear, LearningRateInterval = 4,
            Timesteps = TimestepSampling.LossSecondMoment, Weighting = LossWeighting.P2,
        };
        // Few timesteps, so that all of them have ten losses before the run is stopped.
        yield return new TestCaseData(30, everything, TinyModel.Settings with { Timesteps = 4, Prediction = PredictionType.Eps });
    }

    [TestCaseSource(nameof(Kinds))]
    public void A_resumed_run_equals_an_uninterrupted_one_to_the_bit(int stop, TrainingSettings settings, DiffusionSettings diffusion)
    {
        using var kernels = new CpuKernels(2);
        var network = TinyModel.Network with { Dropout = 0.2 };
        using var whole = TinyModel.Create(kernels, network, diffusion);
        using var uninterrupted = new Trainer(whole, TinyModel.Data(), settings);
        uninterrupted.Run();

        string path = Path.Combine(_folder, "checkpoint.safetensors");
        using (var half = TinyModel.Create(kernels, network, diffusion))
        using (var trainer = new Trainer(half, TinyModel.Data(), settings))
        {
            for (int i = 0; i < stop; i++) trainer.RunStep();
            trainer.Save(path);
        }
        using var resumed = Trainer.Resume(path, TinyModel.Data(), kernels);
        using var model = resumed.Model;
        Assert.That(resumed.Step, Is.EqualTo(stop));
        resumed.Run();

        Assert.That(Bits(model.Parameters.Values), Is.EqualTo(Bits(whole.Parameters.Values)), "weights");
        Assert.That(Bits(resumed.Average.Values), Is.EqualTo(Bits(uninterrupted.Average.Values)), "average");
        Assert.That(Bits(model.Parameters.SecondMoment), Is.EqualTo(Bits(whole.Parameters.SecondMoment)), "second moment");
        Assert.That(resumed.History, Is.EqualTo(uninterrupted.History), "loss history");
    }

    [Test]
    public void Bits_do_not_depend_on_the_number_of_threads([Values(2, 5)] int threads)
    {
        Assert.That(WeightsAfterTraining(threads), Is.EqualTo(WeightsAfterTraining(1)));

        static int[] WeightsAfterTraining(int threads)
        {
            using var kernels = new CpuKernels(threads);
            using var model = TinyModel.Create(kernels);
            using var trainer = new Trainer(model, TinyModel.Data(), Short);
            trainer.Run();
            return Bits(model.Parameters.Values);
        }
    }

    [Test]
    public void A_loss_that_is_not_a_number_stops_with_the_step_and_keeps_the_weights()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.Create(kernels);
        using var trainer = new Trainer(model, TinyModel.Data(), Short);
        trainer.RunStep();
        model.Parameters.ValueOf(model.Parameters["out.2.bias"]).Span[0] = float.NaN;
        int[] before = Bits(model.Parameters.Values);
        var error = Assert.Throws<TrainingDivergedException>(() => trainer.RunStep())!;
        Assert.That(error.Step, Is.EqualTo(2));
        Assert.That(error.Message, Does.Contain("step 2").And.Contain("NaN"));
        Assert.That(Bits(model.Parameters.Values), Is.EqualTo(before));
        Assert.That(trainer.Step, Is.EqualTo(1));
    }

    [Test]
    public void Labels_are_dropped_with_the_given_probability()
    {
        using var kernels = new CpuKernels(2);
        using var model = TinyModel.Create(kernels);
        var settings = Short with { BatchSize = 64, Steps = 40, NullProbability = 0.2 };
        using var trainer = new Trainer(model, TinyModel.Data(), settings);
        int dropped = 0, rows = settings.BatchSize * settings.Steps;
        while (trainer.Step < settings.Steps)
        {
            trainer.RunStep();
            foreach (int label in trainer.LastLabels)
                if (label == model.NullLabel) dropped++;
        }
        double sigma = Math.Sqrt(rows * 0.2 * 0.8);
        Assert.That(dropped, Is.EqualTo(rows * 0.2).Within(4 * sigma));
    }

    [Test]
    public void Where_every_label_is_dropped_labels_do_not_matter()
    {
        using var kernels = new CpuKernels(1);
        var data = TinyModel.Data();
        var permuted = new ImageDataset(8, 8, 1, data.Pixels, data.Labels.ToArray().Select(l => (l + 1) % 3).ToArray(), data.ClassNames);
        var settings = Short with { NullProbability = 1 };
        using var first = TinyModel.Create(kernels);
        using var second = TinyModel.Create(kernels);
        using var a = new Trainer(first, data, settings);
        using var b = new Trainer(second, permuted, settings);
        a.Run();
        b.Run();
        Assert.That(Bits(first.Parameters.Values), Is.EqualTo(Bits(second.Parameters.Values)));
    }

    [Test]
    public void Training_learns_the_classes_and_guidance_finds_them([Values(NoiseScheduleKind.Cosine, NoiseScheduleKind.Continuous)] NoiseScheduleKind kind)
    {
        using var kernels = new CpuKernels(2);
        var settings = TinyModel.Settings with { Schedule = kind };
        using var model = TinyModel.Create(kernels, settings: settings);
        using var trainer = new Trainer(model, TinyModel.Data(), Short with { BatchSize = 24, Steps = 400, LearningRate = 4e-3, AverageDecay = 0.98, Weighting = LossWeighting.UniformV });
        trainer.Run();
        Assert.That(trainer.History[^1].Loss, Is.LessThan(0.35 * trainer.History[0].Loss));
        model.Parameters.CopyValuesFrom(trainer.Average);
        using var sampler = new GuidedSampler(model, new SamplerSettings { Steps = 12 }, new GuidedSamplerOptions { Seed = 4 });
        SampleRequest[] requests = [.. Enumerable.Range(0, 24).Select(i => new SampleRequest(i % 3, (GuidanceScale)new GuidanceStrength(1), i))];
        int right = 0;
        sampler.Sample(requests, (i, pixels) => right += Recognise(pixels) == requests[i].Label ? 1 : 0);
        Assert.That(right, Is.GreaterThanOrEqualTo(22));
    }

    [Test]
    public void Two_thousand_steps_leave_memory_flat()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.Create(kernels);
        using var trainer = new Trainer(model, TinyModel.Data(), Short with { BatchSize = 2, Steps = 3800 });
        for (int i = 0; i < 200; i++) trainer.RunStep();
        // This thread does all the work, so what it allocates bounds what is kept: the loss history, a pair of numbers every 25 steps.
        foreach (int end in new[] { 2000, 3800 })
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            while (trainer.Step < end) trainer.RunStep();
            Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(16_384), "bytes allocated");
        }
    }

    [Test]
    public void Wrong_data_and_files_are_refused_with_the_values()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.Create(kernels);
        string path = Path.Combine(_folder, "checkpoint.safetensors"), plain = Path.Combine(_folder, "model.safetensors");
        using (var trainer = new Trainer(model, TinyModel.Data(), Short))
        {
            trainer.RunStep();
            trainer.Save(path);
            trainer.SaveModel(plain);
        }
        Assert.That(() => new Trainer(model, TinyModel.Data().PadTo(16), Short), Throws.ArgumentException.With.Message.Contains("8x8").And.Message.Contains("16x16"));
        Assert.That(() => Trainer.Resume(path, TinyModel.Data(60), kernels), Throws.TypeOf<CheckpointException>().With.Message.Contains("other images"));
        Assert.That(() => Trainer.Resume(plain, TinyModel.Data(), kernels), Throws.TypeOf<CheckpointException>().With.Message.Contains("not a training checkpoint"));
        Assert.That(() => new Trainer(model, TinyModel.Data(), Short with { LearningRate = -1 }), Throws.ArgumentException.With.Message.Contains("-1"));
    }

    [Test]
    public void Averaged_and_raw_weights_are_told_apart()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.Create(kernels);
        string checkpoint = Path.Combine(_folder, "checkpoint.safetensors"), plain = Path.Combine(_folder, "model.safetensors");
        using var trainer = new Trainer(model, TinyModel.Data(), Short);
        trainer.Run();
        trainer.Save(checkpoint);
        trainer.SaveModel(plain);
        Assert.That(Weights(checkpoint, WeightChoice.Raw), Is.EqualTo(Bits(model.Parameters.Values)));
        Assert.That(Weights(checkpoint, WeightChoice.Average), Is.EqualTo(Bits(trainer.Average.Values)));
        Assert.That(Weights(plain, WeightChoice.Average), Is.EqualTo(Bits(trainer.Average.Values)));
        Assert.That(() => Weights(plain, WeightChoice.Raw), Throws.TypeOf<CheckpointException>().With.Message.Contains("averaged weights only"));

        int[] Weights(string path, WeightChoice choice)
        {
            using var loaded = DiffusionModel.Load(path, kernels, choice);
            return Bits(loaded.Parameters.Values);
        }
    }

    [Test]
    public void Learning_rate_warms_up_and_ends_at_its_final_value()
    {
        var settings = new TrainingSettings { Steps = 1000, WarmupSteps = 100, LearningRate = 1e-3, FinalLearningRate = 1e-5 };
        Assert.That(settings.LearningRateAt(0), Is.EqualTo(1e-5).Within(1e-12));
        Assert.That(settings.LearningRateAt(99), Is.EqualTo(1e-3).Within(1e-12));
        Assert.That(settings.LearningRateAt(100), Is.EqualTo(1e-3).Within(1e-12));
        Assert.That(settings.LearningRateAt(550), Is.EqualTo((1e-3 + 1e-5) / 2).Within(1e-12));
        Assert.That(settings.LearningRateAt(1000), Is.EqualTo(1e-5).Within(1e-12));
        Assert.That(settings.AverageDecayAt(0), Is.EqualTo(0.1).Within(1e-12));
        Assert.That(settings.AverageDecayAt(1_000_000), Is.EqualTo(0.999).Within(1e-12));
    }

    [Test]
    public void Learning_rates_and_averages_of_other_recipes_follow_their_formulas()
    {
        var linear = new TrainingSettings { Steps = 1100, WarmupSteps = 100, LearningRate = 1e-3, LearningRateDecay = LearningRateDecay.Linear };
        Assert.That(linear.LearningRateAt(350), Is.EqualTo(0.75e-3).Within(1e-12));
        Assert.That((linear with { LearningRateDecay = LearningRateDecay.Constant }).LearningRateAt(1099), Is.EqualTo(1e-3).Within(1e-12));
        // A cosine that changes once a pass of 10 steps, over 4 passes.
        var stairs = new TrainingSettings { Steps = 40, WarmupSteps = 0, LearningRate = 1, LearningRateInterval = 10 };
        for (int k = 0; k < 40; k++) Assert.That(stairs.LearningRateAt(k), Is.EqualTo(0.5 * (1 + Math.Cos(Math.PI * (k / 10) / 4))).Within(1e-12), $"{k}");
        var halfLife = new TrainingSettings { BatchSize = 8, AverageHalfLife = 1000 };
        Assert.That(halfLife.AverageDecayAt(0), Is.Zero);
        Assert.That(halfLife.AverageDecayAt(100), Is.EqualTo(Math.Pow(0.5, 8 / 40.0)).Within(1e-12), "a twentieth of 800 images");
        Assert.That(halfLife.AverageDecayAt(100_000), Is.EqualTo(Math.Pow(0.5, 8 / 1000.0)).Within(1e-12));
    }

    [Test]
    public void What_needs_timesteps_is_refused_without_them()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.Create(kernels, settings: TinyModel.Settings with { Schedule = NoiseScheduleKind.Continuous, Prediction = PredictionType.Eps });
        Assert.That(() => new Trainer(model, TinyModel.Data(), Short with { Timesteps = TimestepSampling.LossSecondMoment }),
            Throws.ArgumentException.With.Message.Contains("loss-second-moment").And.Message.Contains("continuous"));
        Assert.That(() => new Trainer(model, TinyModel.Data(), Short with { Weighting = LossWeighting.LaterSteps }), Throws.ArgumentException.With.Message.Contains("later-steps"));
    }

    private static int Recognise(ReadOnlySpan<float> pixels)
    {
        float topRight = 0, bottomLeft = 0;
        for (int y = 0; y < 4; y++)
            for (int x = 0; x < 4; x++)
            {
                topRight += pixels[y * 8 + x + 4];
                bottomLeft += pixels[(y + 4) * 8 + x];
            }
        return (topRight > 0, bottomLeft > 0) switch { (true, false) => 0, (false, true) => 1, (true, true) => 2, _ => -1 };
    }

    private static int[] Bits(TensorView view) => [.. view.Span.ToArray().Select(BitConverter.SingleToInt32Bits)];

    [Test]
    public void What_is_no_number_is_never_saved_over_what_was_and_never_loaded()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.Create(kernels);
        using var trainer = new Trainer(model, TinyModel.Data(), Short);
        trainer.RunStep();
        string path = Path.Combine(_folder, "checkpoint.safetensors");
        trainer.Save(path);
        byte[] good = File.ReadAllBytes(path);
        kernels.Upload([float.NaN], new NativeDiffusion.Kernels.TensorView(model.Parameters.SecondMoment.Memory!, 3, new Shape(1)));
        Assert.That(Assert.Throws<NotFiniteNumberException>(() => trainer.Save(path))!.Message, Does.Contain("NaN"));
        Assert.That(File.ReadAllBytes(path), Is.EqualTo(good));
        Assert.That(Directory.GetFiles(_folder), Has.Length.EqualTo(1));
    }

    [Test]
    public void A_finished_training_goes_on_to_a_later_end()
    {
        using var kernels = new CpuKernels(1);
        string path = Path.Combine(_folder, "checkpoint.safetensors");
        using (var model = TinyModel.Create(kernels))
        using (var trainer = new Trainer(model, TinyModel.Data(), Short))
        {
            trainer.Run();
            trainer.Save(path);
        }
        using var longer = Trainer.Resume(path, TinyModel.Data(), kernels, steps: 30);
        using var its = longer.Model;
        longer.Run();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(longer.Settings, Is.EqualTo(Short with { Steps = 30, Weighting = longer.Settings.Weighting }));
            Assert.That(longer.History.Select(h => h.Step), Is.EqualTo(new long[] { 12, 25, 30 }));
            Assert.That(longer.History[1].Loss, Is.GreaterThan(0.2 * longer.History[0].Loss), "the mean of 13 steps, not their sum over 25");
            Assert.That(Assert.Throws<ArgumentException>(() => Trainer.Resume(path, TinyModel.Data(), kernels, steps: 11))!.Message, Does.Contain("12 steps are done").And.Contain("11"));
        }
    }
}
