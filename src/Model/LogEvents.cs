using Microsoft.Extensions.Logging;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Model;

/// <summary>Every event that is logged, with the number by which logs are filtered (docs/applications.md lists them).</summary>
internal static partial class LogEvents
{
    [LoggerMessage(100, LogLevel.Information, "Loaded {Path}: {Network}, {Parameters} parameters on {Device}, in {Seconds:0.00} s.")]
    public static partial void ModelLoaded(ILogger logger, string path, string network, long parameters, string device, double seconds);

    [LoggerMessage(101, LogLevel.Warning, "{Path} does not say {Setting} of its network; taken to be {Value} ({Reason}).")]
    public static partial void Assumed(ILogger logger, string path, string setting, string value, string reason);

    [LoggerMessage(200, LogLevel.Debug, "Recorded a plan ({Part}) for {Images} images: {Steps} kernels, {PeakBytes} bytes of activations.")]
    public static partial void PlanRecorded(ILogger logger, Enum part, int images, int steps, long peakBytes);

    [LoggerMessage(201, LogLevel.Debug, "Sampling {Images} images by {Sampler}: {Evaluations} evaluations of at most {Batch} images.")]
    public static partial void SamplingStarts(ILogger logger, int images, SamplerTable sampler, int evaluations, int batch);

    [LoggerMessage(202, LogLevel.Information, "Sampled {Images} images by {Evaluations} evaluations in {Seconds:0.000} s.")]
    public static partial void SamplingEnds(ILogger logger, int images, int evaluations, double seconds);

    [LoggerMessage(203, LogLevel.Information, "Sampling was cancelled after {Done} of {Evaluations} evaluations and {Seconds:0.000} s.")]
    public static partial void SamplingCancelled(ILogger logger, int done, int evaluations, double seconds);

    [LoggerMessage(300, LogLevel.Information, "Training {Subject} from step {Step} to {Steps} in batches of {Batch}.")]
    public static partial void TrainingStarts(ILogger logger, string subject, long step, long steps, int batch);

    [LoggerMessage(301, LogLevel.Debug, "Step {Step} of {Steps}: mean loss {Loss:0.00000}, gradient norm {GradientNorm:0.000}, learning rate {LearningRate}.")]
    public static partial void TrainingStep(ILogger logger, long step, long steps, double loss, double gradientNorm, double learningRate);

    [LoggerMessage(302, LogLevel.Information, "Training ended at step {Step} after {Seconds:0.0} s.")]
    public static partial void TrainingEnds(ILogger logger, long step, double seconds);

    [LoggerMessage(303, LogLevel.Error, "Training diverged at step {Step}: loss {Loss}, gradient norm {GradientNorm}.")]
    public static partial void TrainingDiverged(ILogger logger, long step, double loss, double gradientNorm);

    [LoggerMessage(304, LogLevel.Information, "Saved {What} of step {Step} as {Path}.")]
    public static partial void Saved(ILogger logger, string what, long step, string path);
}
