namespace NativeDiffusion.Kernels;

/// <summary>How much work a device wants at once, and has room for.</summary>
/// <param name="ResultsAtOnce">Elements of a matrix product's result that it computes side by side.</param>
/// <param name="FreeBytes">Bytes of its memory that are free.</param>
internal readonly record struct DeviceCapacity(long ResultsAtOnce, long FreeBytes);
