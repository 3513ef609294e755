using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void AddNoise(TensorView x, TensorView alpha, TensorView sigma, TensorView noise, TensorView z)
    {
        var kernel = new AddNoiseKernel
        {
            X = View(x), Alpha = View(alpha), Sigma = View(sigma), Noise = View(noise), SampleIndex = Indices(default), Z = View(z),
            Target = View(default), Blocks = Blocks(x, noise, z),
        };
        LaunchEach(kernel, kernel.Blocks.Count);
    }

    /// <inheritdoc/>
    public void AddNoise(
        TensorView x, TensorView alpha, TensorView sigma, TensorView sampleIndex, ulong seed, uint step, PredictionTarget prediction,
        TensorView z, TensorView target)
    {
        var kernel = new AddNoiseKernel
        {
            X = View(x), Alpha = View(alpha), Sigma = View(sigma), Noise = View(default), SampleIndex = Indices(sampleIndex), Z = View(z),
            Target = View(target), Blocks = Blocks(x, z, target), Draws = 1, Key = new RandomKey(seed, step, RandomStream.StepNoise),
            Wanted = target.IsEmpty ? 0 : 1, Prediction = (int)prediction,
        };
        LaunchEach(kernel, kernel.Blocks.Count);
    }
}

internal struct AddNoiseKernel : IGpuKernel
{
    public RandomKey Key;
    public RowBlocks Blocks;
    public ArrayView<float> X, Alpha, Sigma, Noise, Z, Target;
    public ArrayView<int> SampleIndex;
    public int Draws, Wanted, Prediction;

    public readonly void Run()
    {
        var block = Blocks.Of((long)Grid.IdxX * Group.DimX + Group.IdxX);
        if (block.Count <= 0) return;
        var alpha = LanesFour.Broadcast(Alpha[block.Row]);
        var sigma = LanesFour.Broadcast(Sigma[block.Row]);
        var clean = Blocks.Load(X, block);
        var noise = Draws != 0 ? PhiloxFour.Normal(Key, (uint)SampleIndex[block.Row], (uint)block.Index) : Blocks.Load(Noise, block);
        Blocks.Store(Z, block, LanesFour.MultiplyAdd(alpha, clean, sigma * noise));
        if (Wanted == 0) return;
        var target = noise;
        if (Prediction == (int)PredictionTarget.X0) target = clean;
        else if (Prediction == (int)PredictionTarget.V) target = LanesFour.MultiplyAdd(alpha, noise, LanesFour.Zero - sigma * clean);
        Blocks.Store(Target, block, target);
    }
}
