using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void NormalizedAttention(TensorView positive, TensorView negative, float phi, float tau, float alpha, TensorView y)
    {
        var tile = RowTile.Of(positive.Count / positive.Shape.Channels, positive.Shape.Channels);
        Launch(new NormalizedAttentionKernel { P = View(positive), Q = View(negative), Y = View(y), Tile = tile, Phi = phi, Tau = tau, Alpha = alpha }, tile.Groups);
    }
}

/// <summary>A token, a tile for each.</summary>
internal struct NormalizedAttentionKernel : IGpuKernel
{
    public ArrayView<float> P, Q, Y;
    public RowTile Tile;
    public float Phi, Tau, Alpha;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<float>(GpuKernels.GroupSize);
        long start = Tile.Row * Tile.Width;
        float sum = 0, guidedSum = 0;
        for (int i = Tile.Lane; i < Tile.Length; i += Tile.Lanes)
        {
            float guided = Phi * P[start + i] + (1f - Phi) * Q[start + i];
            sum += P[start + i] * P[start + i];
            guidedSum += guided * guided;
        }
        sum = Reduction.Sum(shared, sum, Tile.Lanes);
        guidedSum = Reduction.Sum(shared, guidedSum, Tile.Lanes);
        float factor = Tau * MathF.Sqrt(sum / guidedSum);
        factor = factor > 1f ? 1f : factor;
        float a = Alpha * factor * Phi + 1f - Alpha, b = Alpha * factor * (1f - Phi);
        a = guidedSum > 0f ? a : 1f;
        b = guidedSum > 0f ? b : 0f;
        a = sum > 0f ? a : 1f;
        b = sum > 0f ? b : 0f;
        for (int i = Tile.Lane; i < Tile.Length; i += Tile.Lanes) Y[start + i] = a * P[start + i] + b * Q[start + i];
    }
}
