namespace NativeDiffusion.Kernels;

/// <summary>The GPUs of this machine; in this build none, because ILGPU was not available to it.</summary>
public static class GpuDevices
{
    /// <summary>Whether GPU support was built in.</summary>
    public static bool IsBuiltIn => false;

    /// <summary>No devices.</summary>
    public static IReadOnlyList<GpuDevice> List() => [];

    /// <summary>Always fails, and says how to get a build that has GPU support.</summary>
    /// <exception cref="DeviceException">Always.</exception>
    public static IKernels Open(string id, MatrixArithmetic arithmetic = MatrixArithmetic.Ieee) => throw Missing($"Device '{id}'");

    internal static DeviceException Missing(string what) => new(
        $"{what}: this build has no GPU support, because the package source did not serve ILGPU 1.5.3 when it was made. "
        + "Add a source that serves ILGPU and ILGPU.Algorithms (nuget.org does), delete artifacts/ilgpu.props and build again, or build with -p:UseIlgpu=true to see what is missing.");
}

/// <summary>Compiles the kernels to PTX; in this build it cannot, because ILGPU was not available to it.</summary>
public static class GpuKernelList
{
    /// <summary>None.</summary>
    public static IReadOnlyList<string> Architectures => [];

    /// <summary>Always fails, and says how to get a build that has GPU support.</summary>
    /// <exception cref="DeviceException">Always.</exception>
    public static IEnumerable<(string Name, string Ptx)> Compile(string architecture) => throw GpuDevices.Missing($"PTX for {architecture}");
}
