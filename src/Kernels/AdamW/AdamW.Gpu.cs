using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void AdamW(
        in AdamWStep step, TensorView gradients, TensorView norm, TensorView values, TensorView firstMoment, TensorView secondMoment,
        TensorView average)
    {
        var kernel = new AdamWKernel
        {
            Gradients = View(gradients),
            Norm = View(norm),
            Values = View(values),
            First = View(firstMoment),
            Second = View(secondMoment),
            Means = View(average),
            HasNorm = norm.IsEmpty ? 0 : 1,
            HasAverage = average.IsEmpty ? 0 : 1,
            ClipNorm = (float)step.ClipNorm,
            Formula = AdamWFormula.Of(step, norm),
        };
        LaunchEach(kernel, values.Count);
    }
}

/// <summary>One element of the flat buffers.</summary>
internal struct AdamWKernel : IGpuKernel
{
    public ArrayView<float> Gradients, Norm, Values, First, Second, Means;
    public int HasNorm, HasAverage;
    public float ClipNorm;
    public AdamWFormula Formula;

    public readonly void Run()
    {
        long i = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (i >= Values.Length) return;
        float norm = HasNorm != 0 ? Norm[0] : 0f;
        // All bits of the exponent: infinite or NaN.
        const uint Exponent = 0x7F800000;
        if ((Interop.FloatAsInt(norm) & Exponent) == Exponent) return;
        float clipped = ScalarMath.Min(1f, ClipNorm / (norm + 1e-6f)), scale = ClipNorm > 0 ? clipped : 1f;
        LanesScalar m = new(First[i]), v = new(Second[i]);
        var value = Formula.Update(new LanesScalar(Gradients[i] * scale), new LanesScalar(Values[i]), ref m, ref v);
        First[i] = m.Value;
        Second[i] = v.Value;
        Values[i] = value.Value;
        if (HasAverage != 0) Means[i] = Formula.Average(value, new LanesScalar(Means[i])).Value;
    }
}
