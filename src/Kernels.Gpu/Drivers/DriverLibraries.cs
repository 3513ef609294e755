using System.Reflection;
using System.Runtime.InteropServices;
using ILGPU;

namespace NativeDiffusion.Kernels;

/// <summary>
/// Finds the drivers' libraries. ILGPU asks for libcuda.so and libOpenCL.so, names that on Linux come with development packages: a driver alone, and a container that
/// is lent a GPU, have them with a number behind, some in a folder of their own.
/// </summary>
internal static class DriverLibraries
{
    private static readonly string[] Folders = ["", "/usr/local/nvidia/lib64/", "/usr/local/nvidia/lib/"];

    // A library has one resolver for ever; where ILGPU brings its own, on WSL, it fails if there is one already.
    private static readonly bool Installed = Install();

    /// <summary>Has ILGPU find them.</summary>
    public static void Use() => _ = Installed;

    /// <summary>Loads a library by ILGPU's name for it: cuda or OpenCL.</summary>
    public static bool TryLoad(string name, out nint library)
    {
        library = 0;
        foreach (string candidate in Candidates(name))
            if (NativeLibrary.TryLoad(candidate, out library))
                return true;
        return false;
    }

    /// <summary>Where a library is looked for, in this order.</summary>
    public static IEnumerable<string> Candidates(string name)
    {
        if (OperatingSystem.IsWindows()) return [name == "cuda" ? "nvcuda.dll" : name + ".dll"];
        if (OperatingSystem.IsMacOS()) return [name];
        return Folders.SelectMany(folder => new[] { $"{folder}lib{name}.so", $"{folder}lib{name}.so.1" });
    }

    private static bool Install()
    {
        if (!OperatingSystem.IsLinux() || Directory.Exists("/usr/lib/wsl/lib")) return false;
        NativeLibrary.SetDllImportResolver(typeof(Context).Assembly, Resolve);
        return true;
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) =>
        name is "cuda" or "OpenCL" && TryLoad(name, out nint library) ? library : 0;
}
