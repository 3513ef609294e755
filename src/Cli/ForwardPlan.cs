using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Cli;

/// <summary>One evaluation of a model's network for a batch, without guidance.</summary>
internal sealed class ForwardPlan : IDisposable
{
    public ForwardPlan(DiffusionModel model, int batch)
    {
        var network = model.Network.Config;
        var b = new PlanBuilder(model.Kernels, model.Parameters) { Images = batch };
        var x = b.Input("x", new Shape(batch, network.ImageSize, network.ImageSize, network.InChannels));
        var labels = !model.IsConditional ? null : b.Input("labels", new Shape(batch));
        b.Output("prediction", model.Network.Record(b, x, b.Input("timesteps", new Shape(batch)), labels));
        Plan = b.Build();
    }

    public Plan Plan { get; }

    public void Dispose() => Plan.Dispose();
}
