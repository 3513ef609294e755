namespace NativeDiffusion.Kernels;

/// <summary>A device that can note a series of kernel launches once and start it again as one. Its callers hold the device's turn.</summary>
internal interface ILaunchGraphs
{
    /// <summary>Changes whenever memory of the device was taken or given back: what was captured before may refer to memory that is gone.</summary>
    long MemoryVersion { get; }

    /// <summary>Uploads, downloads and waits so far. What does one of these cannot be captured.</summary>
    long HostCalls { get; }

    /// <summary>Why the device captures nothing any more; null while it does.</summary>
    string? Refusal { get; }

    /// <summary>Notes the launches of a call, which do not run. Null, with <see cref="Refusal"/> set, where the device refuses.</summary>
    /// <param name="launches">Only starts kernels, each of which was started before.</param>
    ILaunchGraph? Capture(Action launches);
}

/// <summary>A series of launches. Disposing it is allowed at any time, also after the device.</summary>
internal interface ILaunchGraph : IDisposable
{
    /// <summary>Starts them all.</summary>
    void Launch();
}
