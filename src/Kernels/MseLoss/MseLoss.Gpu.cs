using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void MseLossForward(TensorView prediction, TensorView target, TensorView rowWeight, TensorView rowLoss, TensorView loss)
    {
        Sum(Pair(prediction, target), target.Shape.Batch, target.Shape.RowCount, target.Shape.RowCount, false, rowLoss);
        MeanOfRows(View(rowLoss), rowWeight, loss);
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
internal struct MsePair : ISumTerm
{
    public ArrayView<float> Prediction, Target;
    public int PredictionChannels, TargetChannels;

    /// <summary>Elements of a row of the target.</summary>
    public long Row;

    /// <summary>(prediction - target)^2 at an element of the target.</summary>
    public readonly double At(long index)
    {
        long at = index;
        if (PredictionChannels != TargetChannels)
        {
            long position = index / TargetChannels;
            at = position * PredictionChannels + (index - position * TargetChannels);
        }
        double distance = Prediction[at] - Target[index];
        return distance * distance;
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
