using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>y = x w, the product with a matrix that is stored inputs first: [..., K] and [K, Nout] to [..., Nout].</summary>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    public Tensor LinearTransposed(Tensor x, Tensor weight)
    {
        if (weight.Shape.Rank != 2 || x.Shape.Rank < 1 || x.Shape.Channels != weight.Shape[0])
            throw new ArgumentException($"LinearTransposed takes x [...,K] and a weight [K,Nout]; got {x} and {weight}.");
        var y = Temporary(x.Shape.WithChannels(weight.Shape[1]), "linear");
        double flops = 2.0 * x.Count * weight.Shape[1];
        // Seen from the matrix [Nout, K] of a linear layer, forward and gradient change places.
        Record(nameof(IKernels.LinearInputGrad), [x, weight], [y], k => k.LinearInputGrad(x.View, weight.View, y.View, accumulate: false), flops);
        OnBackward([x, weight], y, dy =>
        {
            if (NeedsGradient(weight))
            {
                var (dw, accumulate) = GradientTarget(weight);
                Record(nameof(IKernels.LinearWeightGrad), [dy, x], [dw], k => k.LinearWeightGrad(dy.View, x.View, dw.View, accumulate), flops);
            }
            if (!NeedsGradient(x)) return;
            var dx = Temporary(x.Shape, "d_" + x.Name);
            Record(nameof(IKernels.LinearForward), [dy, weight], [dx], k => k.LinearForward(dy.View, weight.View, default, dx.View), flops);
            PassGradient(dx, x);
        });
        return y;
    }
}
