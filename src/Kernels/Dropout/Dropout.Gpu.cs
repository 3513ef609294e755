using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void DropoutForward(TensorView x, float probability, ulong seed, uint step, uint layer, TensorView sampleIndex, TensorView y) =>
        DropoutBackward(x, probability, seed, step, layer, sampleIndex, y, accumulate: false);

    /// <inheritdoc/>
    public void DropoutBackward(
        TensorView dy, float probability, ulong seed, uint step, uint layer, TensorView sampleIndex, TensorView dx, bool accumulate)
    {
        var kernel = new DropoutKernel
        {
            Key = new RandomKey(seed, step, RandomStream.Dropout, layer), X = View(dy), Y = View(dx), SampleIndex = Indices(sampleIndex),
            Blocks = Blocks(dx, dy), Probability = probability, Factor = 1f / (1f - probability), Accumulate = accumulate ? 1 : 0,
        };
        LaunchEach(kernel, kernel.Blocks.Count);
    }
}

internal struct DropoutKernel : IGpuKernel
{
    public RandomKey Key;
    public RowBlocks Blocks;
    public ArrayView<float> X, Y;
    public ArrayView<int> SampleIndex;
    public float Probability, Factor;
    public int Accumulate;

    public readonly void Run()
    {
        var block = Blocks.Of((long)Grid.IdxX * Group.DimX + Group.IdxX);
        if (block.Count <= 0) return;
        var uniform = PhiloxFour.Uniform(Key, (uint)SampleIndex[block.Row], (uint)block.Index);
        var kept = Blocks.Load(X, block) * LanesFour.Broadcast(Factor);
        var value = LanesFour.SelectGreater(uniform, LanesFour.Broadcast(Probability), kept, LanesFour.Zero);
        if (Accumulate != 0) value = Blocks.Load(Y, block) + value;
        Blocks.Store(Y, block, value);
    }
}
