using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>
    /// Corrects the weights of guided predictions m p0 + sum over k of w_k (p0 - p_k), in place, by what the predictions are: CFG-Zero*, TCFG, MAMBO-G, APG
    /// without momentum, guidance rescale; see <see cref="IKernels.GuidanceWeights"/>. It has no gradient.
    /// </summary>
    /// <param name="options">What to do.</param>
    /// <param name="prediction">[R,...,C] or [R,...,2C]; rows 0 to N - 1 are conditional.</param>
    /// <param name="branchRow">Row of each sample's branches, or -1; int32 bits, [N,K] with K from 1 to 4.</param>
    /// <param name="channels">C, the channels of a sample.</param>
    /// <param name="weight">m, w_1 to w_K of each sample, [N,1+K]; plain before, corrected after.</param>
    /// <exception cref="ArgumentException">Shapes do not fit together.</exception>
    public void GuidanceWeights(Slot<GuidanceWeightsOptions> options, Tensor prediction, Tensor branchRow, int channels, Tensor weight)
    {
        CheckGuided(nameof(GuidanceWeights), prediction, branchRow, channels, weight);
        RecordVarying(nameof(IKernels.GuidanceWeights), [prediction, branchRow, weight], [weight],
            k => k.GuidanceWeights(in options.Value, prediction.View, branchRow.View, channels, weight.View),
            16.0 * weight.Shape.Batch * prediction.Shape.RowCount);
        RefuseGradient(nameof(GuidanceWeights), [prediction, weight], weight);
    }

    private static void CheckGuided(string op, Tensor prediction, Tensor branchRow, int channels, Tensor weight)
    {
        if (branchRow.Shape.Rank != 2 || branchRow.Shape.Channels > 4 || weight.Shape != branchRow.Shape.WithChannels(1 + branchRow.Shape.Channels))
            throw new ArgumentException($"{op} takes rows of branches [N,K], K from 1 to 4, and weights [N,1+K]; got {branchRow} and {weight}.");
        if (prediction.Shape.Rank < 2 || prediction.Shape.Batch < weight.Shape.Batch || channels < 1
            || (prediction.Shape.Channels != channels && prediction.Shape.Channels != 2L * channels))
        {
            throw new ArgumentException($"{op}: the prediction {prediction} must have the rows of {weight} or more, and {channels} channels or twice as many.");
        }
    }
}
