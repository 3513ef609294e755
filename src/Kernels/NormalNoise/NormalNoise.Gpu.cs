using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void NormalNoise(ulong seed, uint step, RandomStream stream, float scale, TensorView sampleIndex, TensorView y)
    {
        var kernel = new NormalNoiseKernel
        {
            Key = new RandomKey(seed, step, stream), Scale = scale, SampleIndex = Indices(sampleIndex), Y = View(y), Blocks = Blocks(y),
        };
        LaunchEach(kernel, kernel.Blocks.Count);
    }
}

internal struct NormalNoiseKernel : IGpuKernel
{
    public RandomKey Key;
    public RowBlocks Blocks;
    public ArrayView<int> SampleIndex;
    public ArrayView<float> Y;
    public float Scale;

    public readonly void Run()
    {
        var block = Blocks.Of((long)Grid.IdxX * Group.DimX + Group.IdxX);
        if (block.Count <= 0) return;
        Blocks.Store(Y, block, LanesFour.Broadcast(Scale) * PhiloxFour.Normal(Key, (uint)SampleIndex[block.Row], (uint)block.Index));
    }
}
