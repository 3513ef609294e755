using ILGPU;
using ILGPU.Runtime;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public unsafe void Resample(TensorView x, int axis, ResampleTable table, TensorView y, bool accumulate)
    {
        long inner = 1;
        for (int i = axis + 1; i < x.Shape.Rank; i++) inner *= x.Shape[i];
        ArrayView<float> first = Scratch(0, table.First.Length), weights = Scratch(1, table.Weights.Length);
        HostCalls++;
        fixed (int* pinned = table.First)
            first.CopyFromCPU(_stream, ref *(float*)pinned, table.First.Length);
        fixed (float* pinned = table.Weights)
            weights.CopyFromCPU(_stream, ref *pinned, table.Weights.Length);
        LaunchEach(new ResampleKernel
        {
            X = View(x), Y = View(y), First = first.Cast<int>(), Weights = weights, Inner = inner, Inputs = table.Inputs, Outputs = table.Outputs,
            Taps = table.Taps, Accumulate = accumulate ? 1 : 0,
        }, y.Count);
    }
}

/// <summary>One output.</summary>
internal struct ResampleKernel : IGpuKernel
{
    public ArrayView<float> X, Y, Weights;
    public ArrayView<int> First;
    public long Inner;
    public int Inputs, Outputs, Taps, Accumulate;

    public readonly void Run()
    {
        long at = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (at >= Y.Length) return;
        long line = at / Inner, outer = line / Outputs;
        int i = (int)(line - outer * Outputs);
        long from = (outer * Inputs + First[i]) * Inner + (at - line * Inner);
        float sum = 0;
        for (int t = 0; t < Taps; t++, from += Inner) sum += Weights[i * Taps + t] * X[from];
        Y[at] = Accumulate != 0 ? Y[at] + sum : sum;
    }
}
