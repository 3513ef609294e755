namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.TimestepEmbedding(TensorView t, double maxPeriod, TensorView y)
    {
        float* times = t.Pointer, to = y.Pointer;
        int width = y.Shape.Channels, half = width / 2;
        // In double: at t = 1000 a float argument would lose four digits of the phase.
        for (int i = 0; i < half; i++)
        {
            double frequency = Math.Exp(-Math.Log(maxPeriod) * i / half);
            for (int n = 0; n < t.Count; n++)
            {
                var (sin, cos) = Math.SinCos(times[n] * frequency);
                to[(nint)n * width + i] = (float)cos;
                to[(nint)n * width + half + i] = (float)sin;
            }
        }
        if (width % 2 == 0) return;
        for (int n = 0; n < t.Count; n++) to[(nint)n * width + width - 1] = 0;
    }
}
