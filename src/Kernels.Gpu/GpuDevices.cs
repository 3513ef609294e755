using System.Globalization;
using ILGPU;
using ILGPU.Backends.OpenCL;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;

namespace NativeDiffusion.Kernels;

/// <summary>The GPUs of this machine, and ILGPU's simulation of one.</summary>
public static class GpuDevices
{
    /// <summary>Whether GPU support was built in.</summary>
    public static bool IsBuiltIn => true;

    /// <summary>What there is: CUDA devices, OpenCL devices, and the simulation last; those that cannot be used with the reason.</summary>
    /// <exception cref="DeviceException">The drivers cannot be asked.</exception>
    public static IReadOnlyList<GpuDevice> List()
    {
        using var context = CreateContext();
        return [.. Found(context).Select(found => found.Description)];
    }

    /// <summary>Opens a device.</summary>
    /// <param name="id">cuda or opencl, with :n for the n-th of them; or <see cref="GpuDevice.Simulation"/>.</param>
    /// <param name="arithmetic">How it multiplies matrices; a device without tensor cores rounds the factors and multiplies in float32.</param>
    /// <exception cref="DeviceException">There is no such device, or it cannot be used.</exception>
    public static IKernels Open(string id, MatrixArithmetic arithmetic = MatrixArithmetic.Ieee)
    {
        var context = CreateContext();
        try
        {
            var all = Found(context).ToArray();
            string wanted = id is "cuda" or "opencl" ? id + ":0" : id;
            var (description, device) = all.FirstOrDefault(found => found.Description.Id == wanted);
            if (device is null) throw new DeviceException(NotFound(id, [.. all.Select(found => found.Description)]));
            if (description.Problem is not null) throw new DeviceException($"Device '{id}' ({description.Name}) cannot be used: {description.Problem}");
            var accelerator = device.CreateAccelerator(context);
            var cuda = accelerator as CudaAccelerator;
            return new GpuKernels(context, accelerator, cuda is null ? null : cuda.GetFreeMemory, cuda is null ? null : new CudaLauncher(cuda, PtxCache.Open()))
            {
                Arithmetic = arithmetic,
                HasTensorCores = device is CudaDevice { Architecture: { } architecture } && architecture >= CudaArchitecture.SM_80,
            };
        }
        catch (Exception e) when (e is AcceleratorException or NotSupportedException or CapabilityNotSupportedException)
        {
            context.Dispose();
            throw new DeviceException($"Device '{id}' cannot be used: {e.Message.TrimEnd('.')}. Update its driver, end what else uses it, or choose another device.", e);
        }
        catch
        {
            context.Dispose();
            throw;
        }
    }

    private static Context CreateContext()
    {
        DriverLibraries.Use();
        try
        {
            // The default simulated device has groups of 16 threads; the kernels need 256. Devices that cannot be used are listed, to say why.
            return Context.Create(b => b.Cuda(_ => true).OpenCL(_ => true).CPU(new CPUDevice(32, 8, 1)).EnableAlgorithms().Optimize(OptimizationLevel.O2));
        }
        catch (Exception e) when (e is AcceleratorException or NotSupportedException or DllNotFoundException)
        {
            throw new DeviceException($"The GPU drivers cannot be asked: {e.Message} Install or update them, or use --device cpu.", e);
        }
    }

    private static string NotFound(string id, GpuDevice[] all)
    {
        bool cuda = id.StartsWith("cuda", StringComparison.Ordinal);
        string reason = all.Any(d => d.Id.StartsWith(cuda ? "cuda" : "opencl", StringComparison.Ordinal)) ? ""
            : cuda ? " " + CudaDriver.Explain()
            : " OpenCL devices need a driver whose loader is found as libOpenCL.so or libOpenCL.so.1.";
        return $"There is no device '{id}' here; there are {string.Join(", ", all.Select(d => $"{d.Id} ({d.Name})"))}, and cpu.{reason}";
    }

    private static IEnumerable<(GpuDevice Description, Device Device)> Found(Context context)
    {
        int cuda = 0, opencl = 0;
        foreach (var device in context.Devices.OfType<CudaDevice>())
            yield return (Describe(device, Number("cuda", cuda++), $"{device.Architecture}, driver of CUDA {device.DriverVersion}", ProblemOf(device)), device);
        foreach (var device in context.Devices.OfType<CLDevice>())
            yield return (Describe(device, Number("opencl", opencl++), $"OpenCL {device.CLStdVersion}, {device.NumMultiprocessors} processors", ProblemOf(device)), device);
        foreach (var device in context.Devices.OfType<CPUDevice>().Take(1))
            yield return (Describe(device, GpuDevice.Simulation, "a slow simulation", null), device);
    }

    private static string Number(string kind, int number) => string.Create(CultureInfo.InvariantCulture, $"{kind}:{number}");

    private static GpuDevice Describe(Device device, string id, string capability, string? problem)
    {
        if (device.MaxNumThreadsPerGroup < GpuKernels.GroupSize) problem ??= $"it runs {device.MaxNumThreadsPerGroup} threads per group and the kernels need {GpuKernels.GroupSize}.";
        return new GpuDevice(id, device.Name, GpuKernels.MemoryOf(device), capability, problem);
    }

    private static string? ProblemOf(CudaDevice device)
    {
        if (device.Architecture is not { } architecture) return "its compute capability is older than 3.0.";
        return CudaAccelerator.TryGetInstructionSet(architecture, device.DriverVersion, out var least, out _)
            ? null
            : $"its driver is of CUDA {device.DriverVersion}, and {architecture} needs one of CUDA {least} or newer: update the driver.";
    }

    private static string? ProblemOf(CLDevice device) =>
        device.CLStdVersion < CLBackend.MinimumVersion ? $"it has OpenCL {device.CLStdVersion}, and ILGPU needs {CLBackend.MinimumVersion}: update its driver."
        : !device.Capabilities.GenericAddressSpace ? "its driver lacks OpenCL's generic address space, which ILGPU needs: update it."
        : device.Capabilities.Float64 ? null
        : "it has no 64-bit floats, which timesteps, norms and losses need.";
}
