using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>
    /// Mean over the rows of rowWeight times the row's mean squared difference, and the rows' means without the weights. Only the prediction
    /// gets a gradient, and only through the loss. See <see cref="IKernels.MseLossForward"/>.
    /// </summary>
    /// <param name="prediction">[N,...,Cp]; with more channels than the target, only the first ones are compared.</param>
    /// <param name="target">[N,...,C].</param>
    /// <param name="rowWeight">[N]; left out for 1.</param>
    /// <returns>The loss [1] and the losses of the rows [N].</returns>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public (Tensor Loss, Tensor RowLosses) MseLoss(Tensor prediction, Tensor target, Tensor? rowWeight = null)
    {
        int channels = target.Shape.Channels, rows = target.Shape.Batch;
        if (prediction.Shape.Rank < 2 || prediction.Shape.Channels < channels || prediction.Shape.WithChannels(channels) != target.Shape)
        {
            throw new ArgumentException(
                $"MseLoss takes a prediction [N,...,Cp] and a target equal to it but for at most Cp channels; got {prediction} and {target}.");
        }
        if (rowWeight is not null && rowWeight.Shape != new Shape(rows))
            throw new ArgumentException($"MseLoss of {prediction} takes one weight per row, {new Shape(rows)}; got {rowWeight}.");
        Tensor loss = Temporary(new Shape(1), "mse"), rowLoss = Temporary(new Shape(rows), "mse.rows");
        Record(nameof(IKernels.MseLossForward), [prediction, target, rowWeight], [rowLoss, loss],
            k => k.MseLossForward(prediction.View, target.View, rowWeight?.View ?? default, rowLoss.View, loss.View), 3.0 * target.Count);
        RefuseGradient(nameof(MseLoss), [target, rowWeight], loss);
        RefuseGradient(nameof(MseLoss), [prediction, target], rowLoss);
        OnBackward([prediction], loss, dloss =>
        {
            var (dprediction, accumulate) = GradientTarget(prediction);
            Record(nameof(IKernels.MseLossBackward), [prediction, target, rowWeight, dloss], [dprediction],
                k => k.MseLossBackward(
                    prediction.View, target.View, rowWeight?.View ?? default, dloss.View, dprediction.View, accumulate),
                2.0 * target.Count);
        });
        return (loss, rowLoss);
    }
}
