using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>
    /// One optimiser step over all parameters but tables (<see cref="Initializer.Table"/>), after <see cref="Backward"/>: the norm of the whole gradient, then clipping, AdamW and the
    /// moving average in one
    /// pass (<see cref="IKernels.AdamW"/>). A gradient that is not finite changes nothing; its norm says so.
    /// </summary>
    /// <param name="settings">Learning rate, step number and constants of each run.</param>
    /// <param name="average">Moving average of the weights, a <see cref="Parameters.Clone"/>; null where none is kept.</param>
    /// <returns>The norm of the gradient before clipping, one element; make it an <see cref="Output"/> to read it.</returns>
    /// <exception cref="InvalidOperationException">The builder has no parameters.</exception>
    /// <exception cref="ArgumentException">The average has another layout.</exception>
    public Tensor AdamW(Slot<AdamWStep> settings, Parameters? average = null)
    {
        var owner = Parameters ?? throw new InvalidOperationException("AdamW was asked of a builder without parameters.");
        if (average is not null && average.Values.Count != owner.Values.Count)
            throw new ArgumentException($"The average holds {average.Values.Count} elements, the parameters {owner.Values.Count}.", nameof(average));
        var gradients = Bind("gradients", owner.Gradients);
        var values = Bind("values", owner.Values);
        var first = Bind("firstMoment", owner.FirstMoment);
        var second = Bind("secondMoment", owner.SecondMoment);
        var mean = average is null ? null : Bind("average", average.Values);
        var norm = Temporary(new Shape(1), "gradientNorm");
        Record(nameof(IKernels.GlobalNorm), [gradients], [norm], k => k.GlobalNorm(gradients.View, norm.View), 2.0 * gradients.Count);
        RecordVarying(nameof(IKernels.AdamW), [gradients, norm, values, first, second, mean], [values, first, second, mean], k =>
        {
            k.AdamW(in settings.Value, Trained(gradients), norm.View, Trained(values), Trained(first), Trained(second), mean is null ? default : Trained(mean));
            owner.MarkChanged();
            average?.MarkChanged();
        }, 15.0 * values.Count);
        return norm;

        TensorView Trained(Tensor flat) =>
            new(flat.View.Memory!, flat.View.Offset + owner.FixedLength, new Shape(checked((int)(flat.Count - owner.FixedLength))));
    }
}
