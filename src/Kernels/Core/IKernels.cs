namespace NativeDiffusion.Kernels;

/// <summary>
/// A device. Any number of threads may use one at once: they share its workers and its memory, and their plans run one at a time, in the order in
/// which they were started. <see cref="DeviceLostException"/> is thrown by every method once the device stopped working, and
/// <see cref="ObjectDisposedException"/> once it was disposed.
/// </summary>
/// <remarks>
/// What it computes is internal, one file per op with the formula in its docs: shapes were checked when a plan was recorded (PlanBuilder) and are not
/// checked again, so these methods are for plans alone. Inputs come first, outputs last; an output may not overlap an input unless the method says
/// so. A backward method with an <c>accumulate</c> argument adds to its gradient when it is true and overwrites it otherwise. Results never depend on
/// the number of threads, and those of a batch row never depend on the other rows.
/// </remarks>
public partial interface IKernels : IDisposable
{
    /// <summary>The device, in words, with its vector capability.</summary>
    string DeviceName { get; }

    /// <summary>The callers that wait for the device. Whoever calls an op outside a plan takes a turn first.</summary>
    internal DeviceQueue Queue { get; }

    /// <summary>What it wants to do at once; null for a device that is busy with one image.</summary>
    internal DeviceCapacity? Capacity => null;

    /// <summary>Starts series of launches as one, where the device can; else null.</summary>
    internal ILaunchGraphs? Graphs => null;

    /// <summary>A zeroed block of <paramref name="length"/> float32 elements.</summary>
    /// <exception cref="DeviceMemoryException">The device has no room for it.</exception>
    DeviceMemory Allocate(long length);

    /// <summary>Copies host elements into the first elements of <paramref name="destination"/>.</summary>
    /// <exception cref="ArgumentException">There are more than it has.</exception>
    /// <exception cref="InvalidOperationException">Another call uses the memory, or the tensor was left out.</exception>
    void Upload(ReadOnlySpan<float> source, TensorView destination);

    /// <summary>Copies int32 values as bit patterns into an index tensor.</summary>
    void Upload(ReadOnlySpan<int> source, TensorView destination);

    /// <summary>Waits until every call so far is done; a device may run them later than they return. Downloading waits by itself.</summary>
    void Synchronize();

    /// <summary>Copies a tensor to the host.</summary>
    /// <exception cref="ArgumentException">The destination is shorter.</exception>
    /// <exception cref="InvalidOperationException">Another call writes the memory, or the tensor was left out.</exception>
    void Download(TensorView source, Span<float> destination);
}
