using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Training;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Training;

/// <summary>Which weighting a training takes, and which it refuses.</summary>
internal sealed class LossWeightingTests
{
    private static readonly TrainingSettings Short = new() { BatchSize = 2, Steps = 2, Seed = 3 };

    [TestCase(PredictionType.Eps, LossWeighting.Simple)]
    [TestCase(PredictionType.X0, LossWeighting.UniformX0)]
    [TestCase(PredictionType.V, LossWeighting.UniformV)]
    public void The_default_counts_every_level_the_same_in_what_is_predicted(PredictionType prediction, LossWeighting expected)
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.Create(kernels, settings: TinyModel.Settings with { Prediction = prediction });
        using var trainer = new Trainer(model, TinyModel.Data(), Short);
        Assert.That(trainer.Settings.Weighting, Is.EqualTo(expected));
        Assert.That(LossWeightingRules.Default(prediction).Weight().At(0.3, prediction), Is.EqualTo(1));
    }

    // By hand: eps / snr and x0 * snr are what has no bound; 1 / 5 e10 of the cosine's last level, 1 / (1 - alphaBar) of the first.
    [Test]
    public void What_has_no_bound_is_refused_with_its_number_unless_forced(
        [Values] PredictionType prediction, [Values] LossWeighting weighting,
        [Values(NoiseScheduleKind.Linear, NoiseScheduleKind.Cosine, NoiseScheduleKind.Continuous)] NoiseScheduleKind schedule)
    {
        bool unbounded = prediction switch
        {
            PredictionType.Eps => weighting is LossWeighting.UniformV or LossWeighting.UniformX0 or LossWeighting.TruncatedSnr,
            PredictionType.X0 => weighting is LossWeighting.Simple or LossWeighting.UniformV or LossWeighting.TruncatedSnr or LossWeighting.LaterSteps,
            _ => false,
        };
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.Create(kernels, settings: TinyModel.Settings with { Prediction = prediction, Schedule = schedule });
        var settings = Short with { Weighting = weighting };
        if (weighting == LossWeighting.LaterSteps && schedule == NoiseScheduleKind.Continuous)
        {
            Assert.That(() => new Trainer(model, TinyModel.Data(), settings), Throws.ArgumentException.With.Message.Contains("discrete timesteps"));
            return;
        }
        if (unbounded)
        {
            var error = Assert.Throws<ArgumentException>(() => new Trainer(model, TinyModel.Data(), settings))!;
            Assert.That(error.Message, Does.Contain($"Weighting {OptionWords.Of(weighting)} ").And.Contain($"predicts {OptionWords.Of(prediction)} ").And.Contain(OptionWords.Of(schedule))
                .And.Contain(prediction == PredictionType.Eps ? "the noisiest level" : "the least noisy level").And.Contain(nameof(TrainingSettings.AllowUnboundedWeighting)));
            Assert.That(model.Settings.UntrainedLabels, Is.Empty, "a training that was refused trains nothing");
        }
        using var trainer = new Trainer(model, TinyModel.Data(), settings with { AllowUnboundedWeighting = unbounded });
        Assert.That(double.IsFinite(trainer.RunStep().Loss));
        Assert.That(trainer.Settings.Weighting, Is.EqualTo(weighting));
    }

    [TestCase(PredictionType.Eps, LossWeighting.UniformV, NoiseScheduleKind.Cosine, "4.1e+8", "99.8% of the weight of 1000 levels")]
    [TestCase(PredictionType.Eps, LossWeighting.UniformV, NoiseScheduleKind.Linear, "2.5e+4", "log-SNR -10.1")]
    [TestCase(PredictionType.X0, LossWeighting.Simple, NoiseScheduleKind.Linear, "1e+4", "log-SNR 9.2")]
    [TestCase(PredictionType.X0, LossWeighting.Simple, NoiseScheduleKind.Continuous, "4.9e+8", "log-SNR 20.0")]
    public void The_number_is_that_of_the_schedule(PredictionType prediction, LossWeighting weighting, NoiseScheduleKind schedule, params string[] texts)
    {
        string numbers = LossWeightingRules.Unbounded(new DiffusionSettings { Prediction = prediction, Schedule = schedule }, weighting)!;
        foreach (string text in texts) Assert.That(numbers, Does.Contain(text));
    }

    [Test]
    public void A_schedule_that_ends_early_bounds_every_weighting([Values] PredictionType prediction, [Values] LossWeighting weighting)
    {
        var narrow = new DiffusionSettings { Prediction = prediction, Schedule = NoiseScheduleKind.Continuous, LogSnrMin = -4, LogSnrMax = 4 };
        Assert.That(LossWeightingRules.Unbounded(narrow, weighting), Is.Null);
    }

    [Test]
    public void Levels_in_sigma_have_their_own_weighting()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.Create(kernels, settings: TinyModel.Settings with { Schedule = NoiseScheduleKind.Edm });
        using (var trainer = new Trainer(model, TinyModel.Data(), Short)) Assert.That(trainer.Settings.Weighting, Is.Null);
        Assert.That(() => new Trainer(model, TinyModel.Data(), Short with { Weighting = LossWeighting.UniformV }), Throws.ArgumentException.With.Message.Contains("Weighting null"));
        Assert.That(() => new Trainer(model, TinyModel.Data(), Short with { Weighting = (LossWeighting)9 }), Throws.ArgumentException.With.Message.Contains("no weighting 9"));
    }

    [Test]
    public void A_forced_training_goes_on_as_it_was_set()
    {
        using var kernels = new CpuKernels(1);
        string path = Path.Combine(TestContext.CurrentContext.WorkDirectory, "forced.safetensors");
        using var model = TinyModel.Create(kernels, settings: TinyModel.Settings with { Prediction = PredictionType.Eps });
        using (var trainer = new Trainer(model, TinyModel.Data(), Short with { Weighting = LossWeighting.UniformV, AllowUnboundedWeighting = true })) trainer.Save(path);
        using var resumed = Trainer.Resume(path, TinyModel.Data(), kernels);
        using var again = resumed.Model;
        Assert.That(resumed.Settings.Weighting, Is.EqualTo(LossWeighting.UniformV));
        Assert.That(double.IsFinite(resumed.RunStep().Loss));
    }
}
