using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>Labels [N] to rows [N, classes] with a 1 at the label, or of zeros for a label beyond the classes. See <see cref="IKernels.OneHot"/>.</summary>
    /// <param name="labels">[N] int32 bit patterns.</param>
    /// <param name="classes">Length of a row.</param>
    /// <exception cref="ArgumentException">Not a vector, or no classes.</exception>
    public Tensor OneHot(Tensor labels, int classes)
    {
        if (labels.Shape.Rank != 1 || classes < 1) throw new ArgumentException($"OneHot takes labels [N] and at least one class; got {labels} and {classes}.");
        var y = Temporary(new Shape(labels.Shape.Batch, classes), "oneHot");
        Record(nameof(IKernels.OneHot), [labels], [y], k => k.OneHot(labels.View, y.View));
        return y;
    }
}
