namespace NativeDiffusion.Kernels;

/// <summary>
/// What a device can compute: one file per op adds its methods here, with the formula in their docs. Inputs come first, outputs last; an
/// output may not overlap an input unless the method says so. Shapes were checked when the plan was recorded and are not checked again.
/// A backward method with an <c>accumulate</c> argument adds to its gradient when it is true and overwrites it otherwise. Results never
/// depend on the number of threads, and those of a batch row never depend on the other rows. One caller at a time. Every method throws
/// <see cref="DeviceLostException"/> once a device stopped working.
/// </summary>
public partial interface IKernels : IDisposable
{
    /// <summary>The device, in words, with its vector capability.</summary>
    string DeviceName { get; }

    /// <summary>A zeroed block of <paramref name="length"/> float32 elements.</summary>
    /// <exception cref="DeviceMemoryException">The device has no room for it.</exception>
    DeviceMemory Allocate(long length);

    /// <summary>Copies host elements into the first elements of <paramref name="destination"/>.</summary>
    void Upload(ReadOnlySpan<float> source, TensorView destination);

    /// <summary>Copies int32 values as bit patterns into an index tensor.</summary>
    void Upload(ReadOnlySpan<int> source, TensorView destination);

    /// <summary>Waits until every call so far is done; a device may run them later than they return. Downloading waits by itself.</summary>
    void Synchronize();

    /// <summary>Copies a tensor to the host.</summary>
    void Download(TensorView source, Span<float> destination);
}
