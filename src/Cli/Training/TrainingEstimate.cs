using System.Diagnostics;
using System.Text.Json.Nodes;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Training;

namespace NativeDiffusion.Cli.Training;

/// <summary>What <c>--estimate</c> says of a training: its size, and its time on this machine, measured by a few steps that are thrown away.</summary>
internal static class TrainingEstimate
{
    private const int MeasuredSteps = 2;

    // Weights, gradients, both moments, the average.
    private const int CopiesOfWeights = 5;

    /// <summary>Measures and writes it.</summary>
    public static void Write(CliContext context, TrainingPlan plan, ITrainingImages images, IKernels kernels, bool json)
    {
        bool nullClass = plan.Training.NullProbability > 0;
        var network = Presets.For(plan.Network, images, nullClass);
        using var model = new DiffusionModel(network, plan.Diffusion with { ClassNames = [.. images.ClassNames], NullClass = nullClass }, kernels, plan.Training.Seed);
        using var trainer = new Trainer(model, images.PadTo(network.ImageSize), plan.Training with { Steps = Math.Max(plan.Training.Steps, 1 + MeasuredSteps) });
        trainer.RunStep();
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < MeasuredSteps; i++) trainer.RunStep();
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds / MeasuredSteps, total = seconds * plan.Training.Steps;
        long bytes = MemoryOf(trainer);
        if (json)
            JsonReport.Write(context.Out, new JsonObject
            {
                ["parameters"] = model.Parameters.Count, ["bytes"] = bytes, ["seconds_per_step"] = Math.Round(seconds, 4), ["images_per_s"] = Math.Round(plan.Training.BatchSize / seconds, 2),
                ["steps"] = plan.Training.Steps, ["seconds"] = Math.Round(total), ["network"] = JsonNode.Parse(ModelJson.Write(network)),
            });
        else
            context.Out.WriteLine(FormattableString.Invariant(
                $"{model.Parameters.Count / 1e6:0.00} M parameters, {network.ImageSize}x{network.ImageSize}x{network.InChannels}, batch {plan.Training.BatchSize}: {bytes / 1e6:0} MB, {seconds:0.00} s a step ({plan.Training.BatchSize / seconds:0.0} images/s); ")
                + $"the {plan.Training.Steps} steps take {ConsoleProgress.Duration(total)} on this machine.");
    }

    /// <summary>Memory of a training: weights with all that goes with them, and a step's activations.</summary>
    public static long MemoryOf(Trainer trainer) => trainer.PeakBytes + (long)trainer.Model.Parameters.Count * sizeof(float) * (CopiesOfWeights + trainer.Settings.PowerAverages.Length);
}
