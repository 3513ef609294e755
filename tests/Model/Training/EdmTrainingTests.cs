using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Training;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Training;

/// <summary>Training with EDM's preconditionings.</summary>
[TestFixture]
public sealed class EdmTrainingTests
{
    private static readonly SongUNetConfig Song = new()
    {
        ImgResolution = TinyModel.Size, ImgChannels = 1, ModelChannels = 8, ChannelMult = [1, 2], NumBlocks = 1, AttnResolutions = [4],
        LabelDim = TinyModel.Classes, LabelDropout = 0.1, Dropout = 0,
    };

    [Test]
    public void The_loss_falls_from_the_targets_variance(
        [Values(NoiseScheduleKind.Edm, NoiseScheduleKind.VpSde, NoiseScheduleKind.VeSde, NoiseScheduleKind.Iddpm)] NoiseScheduleKind schedule)
    {
        using var kernels = new CpuKernels(2);
        using var model = new DiffusionModel(Song, TinyModel.Settings with { Schedule = schedule, Prediction = PredictionType.Eps, SigmaData = 0.8 }, kernels, seed: 2);
        using var trainer = new Trainer(model, TinyModel.Data(), new TrainingSettings { BatchSize = 16, Steps = 75, WarmupSteps = 5, LearningRate = 1e-2, Seed = 3 });
        double first = trainer.RunStep().Loss;
        trainer.Run();
        // At the start the network predicts nearly zero, so the loss is the target's mean square: that of the noise, or 1 by EDM's design.
        Assert.That(first, Is.EqualTo(1).Within(0.25));
        Assert.That(trainer.History[^1].Loss, Is.LessThan(0.6 * first), string.Join(", ", trainer.History));
    }
}
