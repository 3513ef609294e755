using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

/// <summary>One kernel call of a plan.</summary>
public sealed class Step
{
    internal Step(string kernel, Tensor[] reads, Tensor[] writes, Action<IKernels> run, double flops, string? algorithm, bool isFixed) =>
        (Kernel, Reads, Writes, Run, Flops, Algorithm, IsFixed) = (kernel, reads, writes, run, flops, algorithm, isFixed);

    /// <summary>Name of the <see cref="IKernels"/> method.</summary>
    public string Kernel { get; }

    /// <summary>The algorithm that the device selects for these shapes, in words, where it has several; else null.</summary>
    public string? Algorithm { get; }

    /// <summary>Tensors that the step reads.</summary>
    public IReadOnlyList<Tensor> Reads { get; }

    /// <summary>Tensors that the step writes or updates.</summary>
    public IReadOnlyList<Tensor> Writes { get; }

    /// <summary>Floating-point operations of one run, counted as the textbook formula would need them.</summary>
    public double Flops { get; }

    /// <summary>Seconds of the last profiled run.</summary>
    public double Seconds { get; internal set; }

    internal Action<IKernels> Run { get; }

    /// <summary>Whether it is the same call with the same arguments in every run, whatever the tensors hold: it reads no <see cref="Slot{T}"/>.</summary>
    internal bool IsFixed { get; }

    /// <summary>The same call, which reads one tensor more.</summary>
    internal Step Reading(Tensor tensor) => new(Kernel, [.. Reads, tensor], [.. Writes], Run, Flops, Algorithm, IsFixed);
}
