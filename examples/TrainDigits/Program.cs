// Trains a small class-conditional diffusion model with classifier-free guidance on digits, and saves it.
// Usage: TrainDigits [out.safetensors] [steps] [images.gz labels.gz]
using NativeDiffusion.Model;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Training;

string output = args.Length > 0 ? args[0] : "my-digits.safetensors";
int steps = args.Length > 1 ? int.Parse(args[1]) : 3000;
var images = args.Length > 3 ? IdxFile.Load(args[2], args[3]) : ShippedDigits.LoadTrain();

var network = new UNetConfig
{
    ImageSize = 32, InChannels = 1, OutChannels = 1,
    ModelChannels = 16, NormGroups = 8, ChannelMult = [1, 2, 4], NumResBlocks = 1,
    AttentionResolutions = [4], NumHeads = 4,
    NumClasses = images.ClassCount + 1, // the last row is the null class
    UseScaleShiftNorm = true, ResblockUpdown = true,
};
var diffusion = new DiffusionSettings
{
    Schedule = NoiseScheduleKind.Cosine, Prediction = PredictionType.V,
    ClassNames = [.. images.ClassNames], DataSize = images.Height,
};

using var model = new DiffusionModel(network, diffusion);
using var trainer = new Trainer(model, images.PadTo(32), new TrainingSettings { Steps = steps, BatchSize = 64, LearningRate = 1e-3 });
using var cancel = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) => { e.Cancel = true; cancel.Cancel(); };
try
{
    trainer.Run(new Report(), cancel.Token);
}
catch (OperationCanceledException)
{
    Console.WriteLine($"Stopped at step {trainer.Step}.");
}
trainer.SaveModel(output);
Console.WriteLine($"Wrote {output}.");

internal sealed class Report : IProgress<TrainingStep>
{
    void IProgress<TrainingStep>.Report(TrainingStep value)
    {
        if (value.Step % 50 == 0) Console.WriteLine($"step {value.Step}  loss {value.Loss:0.0000}");
    }
}
