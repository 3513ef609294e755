namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// loss = mean over n of -log softmax(logits[n])[labels[n]]. A label outside 0 to K - 1 is the caller's error; only the CPU notices it,
    /// with an <see cref="ArgumentOutOfRangeException"/>.
    /// </summary>
    /// <param name="logits">[N,K].</param>
    /// <param name="labels">[N] int32 bit patterns.</param>
    /// <param name="loss">[1], written.</param>
    internal void CrossEntropyForward(TensorView logits, TensorView labels, TensorView loss);

    /// <summary>dlogits[n,k] = dloss / N * (softmax(logits[n])[k] - (k == labels[n] ? 1 : 0)).</summary>
    internal void CrossEntropyBackward(TensorView logits, TensorView labels, TensorView dloss, TensorView dlogits, bool accumulate);
}
