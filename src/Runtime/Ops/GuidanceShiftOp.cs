using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>
    /// shift = weight[n] q[n] gradient, or shift += that; q[n] = rms(reference[n]) / rms(gradient[n]), or 1 without reference. See
    /// <see cref="IKernels.GuidanceShift"/>. It has no gradient.
    /// </summary>
    /// <param name="gradient">[N,...].</param>
    /// <param name="reference">The shape of gradient, or null.</param>
    /// <param name="weight">[N].</param>
    /// <param name="shift">The shape of gradient, written or added to.</param>
    /// <param name="accumulate">Whether shift is added to.</param>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void GuidanceShift(Tensor gradient, Tensor? reference, Tensor weight, Tensor shift, bool accumulate)
    {
        CheckPerRow(nameof(GuidanceShift), gradient, weight);
        foreach (var tensor in new[] { reference, shift })
            if (tensor is not null && tensor.Shape != gradient.Shape)
                throw new ArgumentException($"GuidanceShift: {tensor} must have the shape of {gradient}.");
        Record(nameof(IKernels.GuidanceShift), [gradient, reference, weight, accumulate ? shift : null], [shift],
            k => k.GuidanceShift(gradient.View, reference?.View ?? default, weight.View, shift.View, accumulate), 6.0 * gradient.Count);
        RefuseGradient(nameof(GuidanceShift), [gradient, reference, weight, accumulate ? shift : null], shift);
    }
}
