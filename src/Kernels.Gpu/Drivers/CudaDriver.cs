using System.Runtime.InteropServices;

namespace NativeDiffusion.Kernels;

/// <summary>Asks NVIDIA's driver why ILGPU, which hides the driver's answers, lists no device.</summary>
internal static unsafe class CudaDriver
{
    /// <summary>What was found and what to do about it.</summary>
    public static string Explain()
    {
        if (!DriverLibraries.TryLoad("cuda", out nint driver))
            return $"NVIDIA's driver ({DriverLibraries.Candidates("cuda").First()}) is not installed, or not visible here: install it, or start the container with its GPUs.";
        int error = Call("cuInit", 0), count = 0;
        if (error == 0) error = Call("cuDeviceGetCount", (nint)(&count));
        const int noDevice = 100;
        return error is not 0 and not noDevice ? $"NVIDIA's driver is installed but does not work: CUDA error {error}, {Text(error)}. Update or reinstall it."
            : count == 0 ? "NVIDIA's driver is installed and sees no GPU: attach one, or make it visible here (CUDA_VISIBLE_DEVICES, the container's options)."
            : $"NVIDIA's driver sees {count} of them, but ILGPU cannot read what they can do: they are too old for it, or the driver is.";

        int Call(string name, nint argument) =>
            NativeLibrary.TryGetExport(driver, name, out nint function) ? ((delegate* unmanaged<nint, int>)function)(argument) : -1;

        string Text(int error)
        {
            nint text = 0;
            if (NativeLibrary.TryGetExport(driver, "cuGetErrorString", out nint function)) _ = ((delegate* unmanaged<int, nint*, int>)function)(error, &text);
            return Marshal.PtrToStringAnsi(text) ?? "without a description";
        }
    }
}
