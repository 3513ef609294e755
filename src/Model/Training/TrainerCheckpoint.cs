using Microsoft.Extensions.Logging;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Training;

/// <content>Saving and resuming: weights, average, both moments, the step and the loss so far, all in float32 and in one file.</content>
public sealed partial class Trainer
{
    private const string SettingsKey = "training", StateKey = "state", HistoryName = "training.history", TimestepLossesName = "training.timestep_losses";
    private const string FirstMomentPrefix = "adam.m.", SecondMomentPrefix = "adam.v.";

    /// <summary>Writes everything that <see cref="Resume"/> needs. The file is also a model: it can be sampled from.</summary>
    /// <param name="path">Written beside and moved into place, so that the old file survives a crash or a full disk.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="NotFiniteNumberException">A weight, an average or a moment is NaN or infinite; the file that was there stays.</exception>
    public void Save(string path)
    {
        using var use = _guard.Write();
        using var weights = Model.Parameters.Guard.Read();
        var metadata = ModelMetadata.Write(Model.Config, Model.Settings);
        metadata[SettingsKey] = ModelJson.Write(Settings);
        foreach (var (key, text) in Notes) metadata[key] = text;
        metadata[StateKey] = ModelJson.Write(new TrainerState { Step = Step, LossSum = _lossSum, DataFingerprint = _fingerprint });
        var (parameters, kernels) = (Model.Parameters, Model.Kernels);
        double[] history = [.. _history.SelectMany(h => new[] { h.Step, h.Loss })];
        SafetensorsWriter.Write(path,
        [
            .. WeightFile.Entries(parameters, kernels, "", DType.F32),
            .. WeightFile.Entries(Average, kernels, WeightFile.AveragePrefix, DType.F32),
            .. WeightFile.Entries(parameters, parameters.FirstMoment, kernels, FirstMomentPrefix, DType.F32),
            .. WeightFile.Entries(parameters, parameters.SecondMoment, kernels, SecondMomentPrefix, DType.F32),
            .. _powers.SelectMany(power => WeightFile.Entries(power.Weights, kernels, power.Prefix, DType.F32)),
            .. _lossAware is null ? [] : new[] { TensorEntry.Of(TimestepLossesName, [_lossAware.Timesteps, LossSecondMomentSampler.Kept + 1], (ReadOnlyMemory<double>)_lossAware.Save()) },
            TensorEntry.Of(HistoryName, [_history.Count, 2], (ReadOnlyMemory<double>)history),
        ], metadata, checksums: true);
        LogEvents.Saved(Model.Logger, "the training", Step, path);
    }

    /// <summary>Writes the averaged weights as a model to sample from and share.</summary>
    /// <param name="path">Written beside and moved into place.</param>
    /// <param name="type">F32 or F16.</param>
    public void SaveModel(string path, DType type = DType.F32)
    {
        using var use = _guard.Write();
        var metadata = ModelMetadata.Write(Model.Config, Model.Settings);
        metadata[ModelMetadata.WeightsKey] = ModelMetadata.AveragedWeights;
        SafetensorsWriter.Write(path, WeightFile.Entries(Average, Model.Kernels, "", type), metadata, checksums: true);
        LogEvents.Saved(Model.Logger, "the model", Step, path);
    }

    /// <summary>
    /// Goes on where <see cref="Save"/> stopped; the result of the whole run is the same to the bit. With other <paramref name="steps"/>, a decaying learning rate goes on along
    /// the decay to the new end.
    /// </summary>
    /// <param name="path">The training checkpoint.</param>
    /// <param name="data">The same images as before.</param>
    /// <param name="kernels">The device; a CPU with one thread per processor when left out.</param>
    /// <param name="network">For a network of the caller's own: what the model was made from.</param>
    /// <param name="logger">Told what the model, its samplers and its trainers do.</param>
    /// <param name="steps">Optimiser steps in all, if not as many as before; at least as many as are done.</param>
    /// <returns>A trainer; its <see cref="Model"/> is the caller's to dispose.</returns>
    /// <exception cref="CheckpointException">The file is damaged, is not a training checkpoint, or the images are others than before.</exception>
    public static Trainer Resume(string path, ITrainingImages data, IKernels? kernels = null, INetworkConfig? network = null, ILogger? logger = null, int? steps = null)
    {
        using var file = SafetensorsFile.Open(path);
        if (!file.Metadata.ContainsKey(StateKey))
            throw new CheckpointException($"{path}: is a model to sample from, not a training checkpoint; training cannot be resumed from it.");
        var state = ModelMetadata.Parse<TrainerState>(file, StateKey);
        var saved = ModelMetadata.Parse<TrainingSettings>(file, SettingsKey);
        if (state.Step < 0 || state.Step > saved.Steps || !double.IsFinite(state.LossSum))
            throw new CheckpointException($"{path}: metadata '{StateKey}' says step {state.Step} of {saved.Steps}, loss sum {state.LossSum}.");
        if (steps < state.Step)
            throw new ArgumentException($"{path}: {state.Step} steps are done already, more than the {steps} that the training is to have.", nameof(steps));
        var settings = saved with { Steps = steps ?? saved.Steps };
        var model = DiffusionModel.Load(path, kernels, WeightChoice.Raw, network: network, logger: logger);
        Trainer? trainer = null;
        try
        {
            trainer = new Trainer(model, data, settings, resumed: true);
            if (state.DataFingerprint != trainer._fingerprint)
                throw new CheckpointException($"{path}: was trained on other images (fingerprint {state.DataFingerprint}) than those given ({trainer._fingerprint}).");
            var (parameters, device) = (model.Parameters, model.Kernels);
            WeightFile.Read(file, WeightFile.AveragePrefix, trainer.Average, device);
            WeightFile.Read(file, FirstMomentPrefix, parameters, parameters.FirstMoment, device);
            WeightFile.Read(file, SecondMomentPrefix, parameters, parameters.SecondMoment, device);
            foreach (var power in trainer._powers) WeightFile.Read(file, power.Prefix, power.Weights, device);
            trainer._lossAware?.Restore(file.ReadDouble(TimestepLossesName));
            trainer._history.AddRange(ReadHistory(file, state.Step));
            (trainer.Step, trainer._lossSum) = (state.Step, state.LossSum);
            return trainer;
        }
        catch (ArgumentException e)
        {
            trainer?.Dispose();
            model.Dispose();
            throw new CheckpointException($"{path}: {e.Message}", e);
        }
        catch
        {
            trainer?.Dispose();
            model.Dispose();
            throw;
        }
    }

    private static IEnumerable<(long Step, double Loss)> ReadHistory(SafetensorsFile file, long done)
    {
        double[] history = file.ReadDouble(HistoryName);
        long before = 0;
        for (int i = 0; i + 1 < history.Length; i += 2)
        {
            var (step, loss) = (history[i], history[i + 1]);
            if (!(step > before && step <= done) || !double.IsFinite(loss))
                throw new CheckpointException($"{file.Name}: tensor '{HistoryName}' says loss {loss} at step {step}, after step {before} of {done}.");
            before = (long)step;
            yield return (before, loss);
        }
    }
}

/// <summary>Where a training stands.</summary>
internal sealed record TrainerState
{
    /// <summary>Steps done.</summary>
    public required long Step { get; init; }

    /// <summary>Sum of the losses since the last entry of the history.</summary>
    public required double LossSum { get; init; }

    /// <summary>Which images it saw.</summary>
    public required string DataFingerprint { get; init; }
}
