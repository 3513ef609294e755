using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>
    /// One step of Adam (<see cref="IKernels.AdamW"/>) on a tensor that is not a parameter, in place. Moments move in every row, values only in the rows that
    /// are to move. It has no gradient.
    /// </summary>
    /// <param name="step">Constants and number of the step of each run; without clipping and average.</param>
    /// <param name="gradient">[N,...].</param>
    /// <param name="values">The shape of gradient; updated.</param>
    /// <param name="firstMoment">The shape of gradient; updated, 0 before the first step.</param>
    /// <param name="secondMoment">The shape of gradient; updated, 0 before the first step.</param>
    /// <param name="moves">Which rows move: int32 bits, 0 for those that stay, [N]; null for all.</param>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void Adam(Slot<AdamWStep> step, Tensor gradient, Tensor values, Tensor firstMoment, Tensor secondMoment, Tensor? moves = null)
    {
        foreach (var tensor in new[] { values, firstMoment, secondMoment })
            if (tensor.Shape != gradient.Shape) throw new ArgumentException($"Adam: {tensor} must have the shape of {gradient}.");
        Tensor? before = null;
        if (moves is not null)
        {
            CheckPerRow(nameof(Adam), gradient, moves);
            before = Temporary(values.Shape, "before");
            Record(nameof(IKernels.Copy), [values], [before], k => k.Copy(values.View, before.View));
        }
        RecordVarying(nameof(IKernels.AdamW), [gradient, values, firstMoment, secondMoment], [values, firstMoment, secondMoment],
            k => k.AdamW(in step.Value, gradient.View, default, values.View, firstMoment.View, secondMoment.View, default), 15.0 * values.Count);
        RefuseGradient(nameof(Adam), [gradient, values], values);
        if (before is not null) SelectRows(moves!, values, before, values);
    }
}
