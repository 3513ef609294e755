namespace NativeDiffusion.Kernels;

/// <summary>A device is not there, cannot be used or failed; the message says what was found and names the remedy.</summary>
public class DeviceException : Exception
{
    /// <summary>With what was wrong and what to do.</summary>
    public DeviceException(string message, Exception? cause = null)
        : base(message, cause) { }
}

/// <summary>A device has no room for a block of memory. Building or running a plan says in the message how much the plan needs and what batch would fit.</summary>
public sealed class DeviceMemoryException : DeviceException
{
    /// <summary>With the remedy, and what was asked for and free.</summary>
    public DeviceMemoryException(string message, string deviceName, long requestedBytes, long freeBytes, long totalBytes, Exception? cause = null)
        : base(message, cause) =>
        (DeviceName, RequestedBytes, FreeBytes, TotalBytes) = (deviceName, requestedBytes, freeBytes, totalBytes);

    /// <summary><see cref="IKernels.DeviceName"/>.</summary>
    public string DeviceName { get; }

    /// <summary>Bytes of the block that did not fit.</summary>
    public long RequestedBytes { get; }

    /// <summary>Bytes that were free at that moment, as far as the device tells.</summary>
    public long FreeBytes { get; }

    /// <summary>Bytes of the device's memory.</summary>
    public long TotalBytes { get; }
}

/// <summary>A device stopped working in the middle of the work. What it held is lost, and every further call to it fails, except to dispose it.</summary>
public sealed class DeviceLostException : DeviceException
{
    /// <summary>With the device and what its driver said.</summary>
    public DeviceLostException(string message, Exception? cause = null)
        : base(message, cause) { }
}
