using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>The batch mean of -log softmax(logits[n])[labels[n]], as a tensor [1].</summary>
    /// <param name="logits">[N,K].</param>
    /// <param name="labels">[N] int32 bit patterns from 0 to K - 1. The caller checks their range: a device cannot.</param>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public Tensor CrossEntropyLoss(Tensor logits, Tensor labels)
    {
        if (logits.Shape.Rank != 2 || labels.Shape != new Shape(logits.Shape.Batch))
            throw new ArgumentException($"CrossEntropyLoss takes logits [N,K] and labels [N]; got {logits} and {labels}.");
        var loss = Temporary(new Shape(1), "crossEntropy");
        Record(nameof(IKernels.CrossEntropyForward), [logits, labels], [loss],
            k => k.CrossEntropyForward(logits.View, labels.View, loss.View), 4.0 * logits.Count);
        OnBackward([logits], loss, dloss =>
        {
            var (dlogits, accumulate) = GradientTarget(logits);
            Record(nameof(IKernels.CrossEntropyBackward), [logits, labels, dloss], [dlogits],
                k => k.CrossEntropyBackward(logits.View, labels.View, dloss.View, dlogits.View, accumulate), 6.0 * logits.Count);
        });
        return loss;
    }
}
