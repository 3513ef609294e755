namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// Inverted dropout (Srivastava et al., JMLR 2014): y = x / (1 - p) with probability 1 - p, else 0. An element is kept where the
    /// uniform number
    /// (word + 1/2) / 2^32, rounded to float32, exceeds p; word e mod 4 of block e / 4 belongs to element e of the sample. The counter is
    /// (block, sample index, step, <see cref="RandomStream.Dropout"/> + 256 layer), so layers, steps and samples never share a mask.
    /// </summary>
    /// <param name="x">Activations, [N, ...].</param>
    /// <param name="probability">p, the probability that an element is dropped, in [0, 1).</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="step">Number of the training step.</param>
    /// <param name="layer">Number of the dropout layer in its network, below 2^24.</param>
    /// <param name="sampleIndex">Index of each sample, int32 bits, [N].</param>
    /// <param name="y">Result; may be x.</param>
    internal void DropoutForward(TensorView x, float probability, ulong seed, uint step, uint layer, TensorView sampleIndex, TensorView y);

    /// <summary>dx = dy / (1 - p) where the element was kept, else 0: the mask is made again, not stored. dx may be dy when it does not
    /// accumulate.</summary>
    /// <param name="dy">Gradient of the result.</param>
    /// <param name="probability">As in the forward pass, like all that follows.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="step">Number of the training step.</param>
    /// <param name="layer">Number of the dropout layer.</param>
    /// <param name="sampleIndex">Index of each sample, int32 bits, [N].</param>
    /// <param name="dx">Gradient of x.</param>
    /// <param name="accumulate">Whether dx is added to.</param>
    internal void DropoutBackward(
        TensorView dy, float probability, ulong seed, uint step, uint layer, TensorView sampleIndex, TensorView dx, bool accumulate);
}
