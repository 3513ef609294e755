namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>average = decay average + (1 - decay) values: an exponential moving average, with 1 - decay computed in double.</summary>
    internal void EmaUpdate(TensorView values, double decay, TensorView average);
}
