using NativeDiffusion.Model;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Cli.Bench;

/// <summary>One evaluation of the network.</summary>
internal sealed class ForwardPass : BenchPass
{
    private readonly ForwardPlan _forward;

    public ForwardPass(DiffusionModel model, int batch)
    {
        _forward = new ForwardPlan(model, batch);
        var plan = _forward.Plan;
        model.Kernels.Upload(Noise(plan.Input("x").Count), plan.Input("x"));
        model.Kernels.Upload(Enumerable.Repeat(500f, batch).ToArray(), plan.Input("timesteps"));
        model.Kernels.Upload(Labels(model, batch), plan.Input("labels"));
    }

    public override double Flops => BenchMeasurement.Flops(_forward.Plan);

    public override long PlanBytes => _forward.Plan.PeakBytes;

    public override Plan Plan => _forward.Plan;

    public override void Run() => _forward.Plan.Run();

    public override void Dispose() => _forward.Dispose();
}
