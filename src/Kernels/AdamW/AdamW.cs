namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// One pass of AdamW with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101) over flat buffers, with clipping by the
    /// global
    /// norm and the moving average of the values in the same pass:
    /// <code>
    /// g *= min(1, ClipNorm / (norm + 1e-6))
    /// m  = Beta1 m + (1 - Beta1) g             v = Beta2 v + (1 - Beta2) g^2
    /// values -= LearningRate WeightDecay values
    /// values -= LearningRate (m / (1 - Beta1^Step)) / (sqrt(v / (1 - Beta2^Step)) + Epsilon)
    /// average = AverageDecay average + (1 - AverageDecay) values
    /// </code>
    /// The gradients stay as they are. A norm that is not finite leaves everything as it is, so that the last good weights survive.
    /// </summary>
    /// <param name="step">Learning rate and constants.</param>
    /// <param name="gradients">Gradients, in the layout of the values.</param>
    /// <param name="norm">One element, from <see cref="GlobalNorm"/>; may be empty where ClipNorm is 0, then nothing is checked.</param>
    /// <param name="values">Updated in place.</param>
    /// <param name="firstMoment">Updated in place; zero before the first step.</param>
    /// <param name="secondMoment">Updated in place; zero before the first step.</param>
    /// <param name="average">Updated in place; empty where no average is kept.</param>
    /// <exception cref="ArgumentException">A constant is out of its range.</exception>
    internal void AdamW(
        in AdamWStep step, TensorView gradients, TensorView norm, TensorView values, TensorView firstMoment, TensorView secondMoment,
        TensorView average);
}
