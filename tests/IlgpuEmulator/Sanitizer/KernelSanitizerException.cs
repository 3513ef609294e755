using ILGPU;

namespace IlgpuEmulator;

/// <summary>What a kernel, or the host code around it, did wrong.</summary>
public enum SanitizerFinding
{
    /// <summary>An element outside its view.</summary>
    OutOfRange,

    /// <summary>A view reinterpreted as a type whose alignment it does not have.</summary>
    Misaligned,

    /// <summary>A result that depends on memory that nothing wrote.</summary>
    UndefinedRead,

    /// <summary>A result that depends on the order in which lanes or groups run.</summary>
    Race,

    /// <summary>A barrier that some lanes of a group passed while others ended, or waited at another one.</summary>
    DivergentBarrier,

    /// <summary>More threads per group than the device has, or an empty launch.</summary>
    GroupSize,

    /// <summary>More shared memory than the device has, or lanes that disagree about it.</summary>
    SharedMemory,

    /// <summary>An exception inside a kernel.</summary>
    KernelFailure,

    /// <summary>Use of something that does not exist where it was used (say, a barrier in an element-wise kernel).</summary>
    Misuse,
}

/// <summary>A defect that the emulator found; the message names kernel, group, thread and source.</summary>
public sealed class KernelSanitizerException : Exception
{
    internal KernelSanitizerException(
        SanitizerFinding finding,
        string detail,
        string kernel,
        Index3D? group = null,
        Index3D? thread = null,
        string source = "",
        Exception? inner = null)
        : base(Describe(finding, detail, kernel, group, thread, source), inner)
    {
        Finding = finding;
        Kernel = kernel;
        Group = group;
        Thread = thread;
        SourcePosition = source;
    }

    /// <summary>The kind of defect.</summary>
    public SanitizerFinding Finding { get; }

    /// <summary>The kernel method's name, or "host".</summary>
    public string Kernel { get; }

    /// <summary>Grid index of the group, where one is to blame.</summary>
    public Index3D? Group { get; }

    /// <summary>Index of the thread in its group, where one is to blame.</summary>
    public Index3D? Thread { get; }

    /// <summary>Source expression, file and line where known, else empty.</summary>
    public string SourcePosition { get; }

    private static string Describe(
        SanitizerFinding finding, string detail, string kernel, Index3D? group, Index3D? thread, string source)
    {
        string place = kernel;
        if (group is { } g)
            place += $", group {g}";
        if (thread is { } t)
            place += $", thread {t}";
        string position = source.Length == 0 ? "" : $" at {source}";
        return $"{finding} in {place}{position}: {detail}.";
    }
}
