using System.Diagnostics.CodeAnalysis;

namespace ILGPU;

[SuppressMessage("Design", "CA1069:Enums values should not be duplicated", Justification = "The names are ILGPU's.")]
public enum OptimizationLevel
{
    Debug = O0,
    Release = O1,
    O0 = 0,
    O1,
    O2,
}

[SuppressMessage("Design", "CA1069:Enums values should not be duplicated", Justification = "The names are ILGPU's.")]
public enum InliningMode
{
    Default = Aggressive,
    Aggressive = 0,
    Conservative,
    Disabled,
}

public enum MathMode
{
    Default,
    Fast,
    Fast32BitOnly,
}

public enum DebugSymbolsMode
{
    Auto,
    Disabled,
    Basic,
    Kernel,
    KernelSourceAnnotations,
}

public enum CachingMode
{
    Default,
    NoKernelCaching,
    NoLaunchCaching,
    Disabled,
}

public enum PageLockingMode
{
    Default,
    Auto,
    Aggressive,
}

public class ContextProperties
{
    protected internal ContextProperties()
    {
    }

    public OptimizationLevel OptimizationLevel { get; protected set; } = OptimizationLevel.Release;

    public InliningMode InliningMode { get; protected set; }

    public MathMode MathMode { get; protected set; }

    public DebugSymbolsMode DebugSymbolsMode { get; protected set; }

    public CachingMode CachingMode { get; protected set; }

    public PageLockingMode PageLockingMode { get; protected set; }

    public bool EnableAssertions { get; protected set; }

    public bool EnableProfiling { get; protected set; }
}
