using ILGPU;

namespace NativeDiffusion.Kernels;

public sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void MseLossForward(TensorView prediction, TensorView target, TensorView rowWeight, TensorView rowLoss, TensorView loss)
    {
        int rows = target.Shape.Batch;
        var blocks = SumBlocks.Of(target.Shape.RowCount);
        var partials = Scratch(0, 2 * rows * blocks.Blocks).Cast<double>();
        var squares = new MseSumKernel { Pair = Pair(prediction, target), Partials = partials, Blocks = blocks };
        Launch(squares, rows * blocks.Blocks);
        var means = new MseRowKernel { Partials = partials, RowLoss = View(rowLoss), Blocks = (int)blocks.Blocks, Elements = target.Shape.RowCount };
        Launch(means, rows);
        MeanOfRows(rowLoss, rowWeight, loss);
    }

    /// <inheritdoc/>
    public void MseLossBackward(
        TensorView prediction, TensorView target, TensorView rowWeight, TensorView dloss, TensorView dprediction, bool accumulate)
    {
        var kernel = new MseGradientKernel
        {
            Pair = Pair(prediction, target),
            RowWeight = View(rowWeight),
            Dloss = View(dloss),
            Dprediction = View(dprediction),
            HasRowWeight = rowWeight.IsEmpty ? 0 : 1,
            Accumulate = accumulate ? 1 : 0,
            Factor = (float)(2.0 / target.Count),
        };
        LaunchEach(kernel, prediction.Count);
    }

    /// <summary>result[0] = mean over the rows of weight[n] * values[n]; the weights may be left out. By one group, in double.</summary>
    private void MeanOfRows(TensorView values, TensorView weights, TensorView result) =>
        Launch(new RowMeanKernel { Values = View(values), Weights = View(weights), Result = View(result), HasWeights = weights.IsEmpty ? 0 : 1 }, 1);

    private MsePair Pair(TensorView prediction, TensorView target) => new()
    {
        Prediction = View(prediction),
        Target = View(target),
        PredictionChannels = prediction.Shape.Channels,
        TargetChannels = target.Shape.Channels,
        Row = target.Shape.RowCount,
    };
}

/// <summary>A prediction and its target, which may have fewer channels.</summary>
internal struct MsePair
{
    public ArrayView<float> Prediction, Target;
    public int PredictionChannels, TargetChannels;

    /// <summary>Elements of a row of the target.</summary>
    public long Row;

    /// <summary>prediction - target at an element of the target.</summary>
    public readonly float Distance(long at)
    {
        if (PredictionChannels == TargetChannels) return Prediction[at] - Target[at];
        long position = at / TargetChannels;
        return Prediction[position * PredictionChannels + (at - position * TargetChannels)] - Target[at];
    }
}

/// <summary>Sums of squares over the parts of each row.</summary>
internal struct MseSumKernel : IGpuKernel
{
    public MsePair Pair;
    public ArrayView<double> Partials;
    public SumBlocks Blocks;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<double>(GpuKernels.GroupSize);
        int row = (int)(Grid.IdxX / Blocks.Blocks), block = (int)(Grid.IdxX - row * Blocks.Blocks);
        long start = row * Pair.Row, end = start + Blocks.End(block);
        double sum = 0;
        for (long i = start + Blocks.First(block); i < end; i += GpuKernels.GroupSize)
        {
            double distance = Pair.Distance(i);
            sum += distance * distance;
        }
        sum = Reduction.Sum(shared, sum);
        if (Group.IdxX == 0) Partials[Grid.IdxX] = sum;
    }
}

/// <summary>The mean of each row from its parts: a group for each.</summary>
internal struct MseRowKernel : IGpuKernel
{
    public ArrayView<double> Partials;
    public ArrayView<float> RowLoss;
    public int Blocks;
    public long Elements;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<double>(GpuKernels.GroupSize);
        double sum = 0;
        for (int i = Group.IdxX; i < Blocks; i += GpuKernels.GroupSize) sum += Partials[(long)Grid.IdxX * Blocks + i];
        sum = Reduction.Sum(shared, sum);
        if (Group.IdxX == 0) RowLoss[Grid.IdxX] = (float)(sum / Elements);
    }
}

/// <summary>The weighted mean of one number per row.</summary>
internal struct RowMeanKernel : IGpuKernel
{
    public ArrayView<float> Values, Weights, Result;
    public int HasWeights;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<double>(GpuKernels.GroupSize);
        double sum = 0;
        for (long n = Group.IdxX; n < Values.Length; n += GpuKernels.GroupSize)
            sum += HasWeights != 0 ? (double)Weights[n] * Values[n] : Values[n];
        sum = Reduction.Sum(shared, sum);
        if (Group.IdxX == 0) Result[0] = (float)(sum / Values.Length);
    }
}

/// <summary>The gradient of an element of the prediction, 0 in channels that the target lacks.</summary>
internal struct MseGradientKernel : IGpuKernel
{
    public MsePair Pair;
    public ArrayView<float> RowWeight, Dloss, Dprediction;
    public int HasRowWeight, Accumulate;

    /// <summary>2 / elements of the target.</summary>
    public float Factor;

    public readonly void Run()
    {
        long i = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (i >= Dprediction.Length) return;
        long position = i / Pair.PredictionChannels;
        int channel = (int)(i - position * Pair.PredictionChannels);
        float value = 0;
        if (channel < Pair.TargetChannels)
        {
            long at = position * Pair.TargetChannels + channel;
            float scale = Factor * Dloss[0];
            if (HasRowWeight != 0) scale *= RowWeight[at / Pair.Row];
            value = scale * (Pair.Prediction[i] - Pair.Target[at]);
        }
        Dprediction[i] = Accumulate != 0 ? Dprediction[i] + value : value;
    }
}
