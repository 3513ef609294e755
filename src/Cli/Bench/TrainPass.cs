using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Training;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Cli.Bench;

/// <summary>
/// One training step: noise, forward, backward, clipping, AdamW and the moving average. A network that learns its variance is trained on its
/// prediction alone; the extra channels get no gradient.
/// </summary>
internal sealed class TrainPass : BenchPass
{
    private readonly Plan _plan;
    private readonly Parameters _average;
    private readonly Slot<AdamWStep> _optimiser = new();
    private readonly Slot<uint> _step = new();

    public TrainPass(DiffusionModel model, int batch)
    {
        var network = model.Network.Config;
        _average = model.Parameters.Clone();
        var b = new PlanBuilder(model.Kernels, model.Parameters) { Training = true, Images = batch };
        var seed = new Slot<ulong>(1);
        Tensor PerRow(string name) => b.Input(name, new Shape(batch));
        var x = b.Input("x", new Shape(batch, network.ImageSize, network.ImageSize, network.InChannels));
        var index = PerRow("sample_index");
        var (z, target) = b.AddNoise(x, PerRow("alpha"), PerRow("sigma"), index, seed, _step, PredictionTarget.Eps);
        var prediction = model.Network.Record(b, z, PerRow("timesteps"), PerRow("labels"), new DropoutSource(seed, _step, index));
        var loss = b.MseLoss(prediction, target, PerRow("row_weight")).Loss;
        b.Backward(loss, b.Input("d_loss", loss.Shape), parameters: true);
        b.Output("gradient_norm", b.AdamW(_optimiser, _average));
        _plan = b.Build();

        var kernels = model.Kernels;
        void Fill(string name, float value) => kernels.Upload(Enumerable.Repeat(value, (int)_plan.Input(name).Count).ToArray(), _plan.Input(name));
        kernels.Upload(Noise(x.Count), _plan.Input("x"));
        kernels.Upload(Labels(model, batch), _plan.Input("labels"));
        kernels.Upload([.. Enumerable.Range(0, batch)], _plan.Input("sample_index"));
        Fill("alpha", 0.8f);
        Fill("sigma", 0.6f);
        Fill("timesteps", 500);
        Fill("row_weight", 1);
        Fill("d_loss", 1);
        _optimiser.Value = new TrainingSettings().OptimiserAt(0) with { LearningRate = 1e-5 };
    }

    public override double Flops => BenchMeasurement.Flops(_plan);

    public override long PlanBytes => _plan.PeakBytes;

    public override Plan Plan => _plan;

    public override void Run()
    {
        _optimiser.Value = _optimiser.Value with { Step = ++_step.Value };
        _plan.Run();
    }

    public override void Dispose()
    {
        _plan.Dispose();
        _average.Dispose();
    }
}
