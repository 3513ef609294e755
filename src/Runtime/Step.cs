using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

/// <summary>One kernel call of a plan.</summary>
public sealed class Step
{
    internal Step(string kernel, Tensor[] reads, Tensor[] writes, Action<IKernels> run, double flops) =>
        (Kernel, Reads, Writes, Run, Flops) = (kernel, reads, writes, run, flops);

    /// <summary>Name of the <see cref="IKernels"/> method.</summary>
    public string Kernel { get; }

    /// <summary>Tensors that the step reads.</summary>
    public IReadOnlyList<Tensor> Reads { get; }

    /// <summary>Tensors that the step writes or updates.</summary>
    public IReadOnlyList<Tensor> Writes { get; }

    /// <summary>Floating-point operations of one run, counted as the textbook formula would need them.</summary>
    public double Flops { get; }

    /// <summary>Seconds of the last profiled run.</summary>
    public double Seconds { get; internal set; }

    internal Action<IKernels> Run { get; }
}
