using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void TimestepEmbedding(TensorView t, double maxPeriod, TensorView y)
    {
        int half = Math.Max(1, y.Shape.Channels / 2);
        LaunchEach(new TimestepEmbeddingKernel { T = View(t), Y = View(y), Width = y.Shape.Channels, Ratio = Math.Pow(maxPeriod, -1.0 / half) }, y.Count);
    }
}

/// <summary>One element of an embedding; the angle in double, as a float would lose four digits of the phase at t = 1000.</summary>
internal struct TimestepEmbeddingKernel : IGpuKernel
{
    public ArrayView<float> T, Y;
    public int Width;

    /// <summary>Of two neighbouring frequencies; the first is 1.</summary>
    public double Ratio;

    public readonly void Run()
    {
        long at = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (at >= Y.Length) return;
        long n = at / Width;
        int half = Width / 2, i = (int)(at - n * Width), sine = i >= half ? 1 : 0;
        // Ratio to the power of the column, by squaring.
        double frequency = 1, power = Ratio;
        for (int rest = i - sine * half; rest > 0; rest /= 2)
        {
            if (rest % 2 != 0) frequency *= power;
            power *= power;
        }
        Y[at] = i == 2 * half ? 0f : ScalarMath.Wave(T[n] * frequency * (0.5 / Math.PI), sine);
    }
}
