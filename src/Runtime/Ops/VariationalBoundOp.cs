using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>
    /// The term of the variational bound that trains a learned variance, in bits per element: the weighted mean over the rows, and the rows'
    /// own. Only the second half of the prediction's channels gets a gradient, and only through the loss. See
    /// <see cref="IKernels.VariationalBoundForward"/>.
    /// </summary>
    /// <param name="prediction">[N,...,2C].</param>
    /// <param name="z">[N,...,C].</param>
    /// <param name="x0">[N,...,C].</param>
    /// <param name="rows">[N,6].</param>
    /// <param name="rowWeight">[N]; left out for 1.</param>
    /// <returns>The loss [1] and the losses of the rows [N].</returns>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public (Tensor Loss, Tensor RowLosses) VariationalBound(Tensor prediction, Tensor z, Tensor x0, Tensor rows, Tensor? rowWeight = null)
    {
        int batch = x0.Shape.Batch;
        if (x0.Shape.Rank < 2 || prediction.Shape != x0.Shape.WithChannels(2 * x0.Shape.Channels) || z.Shape != x0.Shape)
            throw new ArgumentException($"VariationalBound takes a prediction [N,...,2C] and two samples [N,...,C]; got {prediction}, {z} and {x0}.");
        if (rows.Shape != new Shape(batch, 6) || (rowWeight is not null && rowWeight.Shape != new Shape(batch)))
            throw new ArgumentException($"VariationalBound of {prediction} takes rows {new Shape(batch, 6)} and weights {new Shape(batch)}; got {rows} and {rowWeight}.");
        Tensor loss = Temporary(new Shape(1), "bound"), rowLoss = Temporary(new Shape(batch), "bound.rows");
        Record(nameof(IKernels.VariationalBoundForward), [prediction, z, x0, rows, rowWeight], [rowLoss, loss],
            k => k.VariationalBoundForward(prediction.View, z.View, x0.View, rows.View, rowWeight?.View ?? default, rowLoss.View, loss.View), 20.0 * x0.Count);
        RefuseGradient(nameof(VariationalBound), [z, x0, rows, rowWeight], loss);
        RefuseGradient(nameof(VariationalBound), [prediction, z, x0], rowLoss);
        OnBackward([prediction], loss, dloss =>
        {
            var (dprediction, accumulate) = GradientTarget(prediction);
            Record(nameof(IKernels.VariationalBoundBackward), [prediction, z, x0, rows, rowWeight, dloss], [dprediction],
                k => k.VariationalBoundBackward(
                    prediction.View, z.View, x0.View, rows.View, rowWeight?.View ?? default, dloss.View, dprediction.View, accumulate),
                20.0 * x0.Count);
        });
        return (loss, rowLoss);
    }
}
