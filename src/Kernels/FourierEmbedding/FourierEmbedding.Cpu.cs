namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.FourierEmbedding(TensorView t, TensorView frequencies, TensorView y)
    {
        float* times = t.Pointer, frequency = frequencies.Pointer, to = y.Pointer;
        int half = (int)frequencies.Count;
        for (int n = 0; n < t.Count; n++, to += 2 * half)
            for (int i = 0; i < half; i++)
            {
                // In double: frequencies are in the hundreds, and a float argument would lose their phase.
                var (sin, cos) = Math.SinCos(2 * Math.PI * times[n] * frequency[i]);
                to[i] = (float)cos;
                to[half + i] = (float)sin;
            }
    }
}
