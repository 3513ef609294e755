using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    private uint _dropoutLayers;

    /// <summary>
    /// Inverted dropout: each element is 0 with probability p, else x / (1 - p). The mask comes from (seed, sampleIndex, step, layer) and
    /// is made
    /// again in backward; layers are numbered in the order of recording. In a plan that does not train, and for p = 0, it is x itself.
    /// </summary>
    /// <param name="x">Activations, [N, ...].</param>
    /// <param name="probability">p, in [0, 1).</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="step">Number of the training step.</param>
    /// <param name="sampleIndex">Index of each sample, int32 bits, [N].</param>
    /// <exception cref="ArgumentException">The probability is out of range, or shapes do not fit.</exception>
    public Tensor Dropout(Tensor x, float probability, Slot<ulong> seed, Slot<uint> step, Tensor sampleIndex)
    {
        if (probability is not (>= 0 and < 1)) throw new ArgumentException($"A dropout probability lies in [0, 1); got {probability}.", nameof(probability));
        CheckPerRow(nameof(Dropout), x, sampleIndex);
        uint layer = _dropoutLayers++;
        if (!Training || probability == 0) return x;
        var y = Temporary(x.Shape, "dropout");
        RecordVarying(nameof(IKernels.DropoutForward), [x, sampleIndex], [y], k => k.DropoutForward(
            x.View, probability, seed.Value, step.Value, layer, sampleIndex.View, y.View), x.Count);
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            RecordVarying(nameof(IKernels.DropoutBackward), [dy, sampleIndex, accumulate ? dx : null], [dx], k => k.DropoutBackward(
                dy.View, probability, seed.Value, step.Value, layer, sampleIndex.View, dx.View, accumulate), x.Count);
        });
        return y;
    }
}
