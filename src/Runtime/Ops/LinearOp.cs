using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>y = x w^T + b over the innermost extent of x: [..., K] to [..., Nout].</summary>
    /// <param name="x">[..., K].</param>
    /// <param name="weight">[Nout, K].</param>
    /// <param name="bias">[Nout], or null for none.</param>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    public Tensor Linear(Tensor x, Tensor weight, Tensor? bias = null)
    {
        if (weight.Shape.Rank != 2) throw new ArgumentException($"A linear layer's weight is [Nout, K]; got {weight}.");
        int outputs = weight.Shape[0], inputs = weight.Shape[1];
        if (x.Shape.Rank < 1 || x.Shape.Channels != inputs)
            throw new ArgumentException($"A linear layer with weight {weight} takes {inputs} channels; got {x}.");
        if (bias is not null && bias.Shape != new Shape(outputs))
            throw new ArgumentException($"A linear layer with weight {weight} takes a bias of {outputs} elements; got {bias}.");
        if (AreShared(out var rows, x)) return Share(_steps.Count, Linear(x.GatheredFrom!, weight, bias), rows);
        var y = Temporary(x.Shape.WithChannels(outputs), "linear");
        double flops = 2.0 * x.Count * outputs;
        Record(nameof(IKernels.LinearForward), [x, weight, bias], [y],
            k => k.LinearForward(x.View, weight.View, bias is null ? default : bias.View, y.View), flops);
        OnBackward([x, weight, bias], y, dy =>
        {
            if (NeedsGradient(weight))
            {
                var (dw, accumulate) = GradientTarget(weight);
                Record(nameof(IKernels.LinearWeightGrad), [x, dy], [dw], k => k.LinearWeightGrad(x.View, dy.View, dw.View, accumulate), flops);
            }
            if (bias is not null && NeedsGradient(bias))
            {
                var (db, accumulate) = GradientTarget(bias);
                Record(nameof(IKernels.LinearBiasGrad), [dy], [db], k => k.LinearBiasGrad(dy.View, db.View, accumulate), dy.Count);
            }
            if (NeedsGradient(x))
            {
                var (dx, accumulate) = GradientTarget(x);
                Record(nameof(IKernels.LinearInputGrad), [dy, weight], [dx], k => k.LinearInputGrad(dy.View, weight.View, dx.View, accumulate), flops);
            }
        });
        return y;
    }
}
