using System.Globalization;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;

namespace NativeDiffusion.Kernels;

/// <summary>The GPUs of this machine, and ILGPU's simulation of one.</summary>
public static class GpuDevices
{
    private const string Simulation = "ilgpu-cpu";

    /// <summary>Whether GPU support was built in.</summary>
    public static bool IsBuiltIn => true;

    /// <summary>What there is: CUDA devices, OpenCL devices, and the simulation last.</summary>
    /// <exception cref="GpuException">The drivers cannot be asked.</exception>
    public static IReadOnlyList<GpuDevice> List()
    {
        using var context = CreateContext();
        return [.. Numbered(context).Select(d => new GpuDevice(d.Id, d.Device.Name, d.Device.MemorySize, Capability(d.Device)))];
    }

    /// <summary>Opens a device.</summary>
    /// <param name="id">cuda or opencl, with :n for the n-th of them; ilgpu-cpu; or auto for the first that <see cref="List"/> has.</param>
    /// <exception cref="GpuException">There is no such device, or it cannot be used.</exception>
    public static IKernels Open(string id)
    {
        var context = CreateContext();
        try
        {
            var devices = Numbered(context).ToArray();
            string wanted = id is "cuda" or "opencl" ? id + ":0" : id;
            var device = devices.FirstOrDefault(d => d.Id == wanted || id == "auto").Device
                ?? throw new GpuException($"There is no device '{id}' here; there are: {string.Join(", ", devices.Select(d => d.Id))}. A missing GPU usually means a missing or too old driver.");
            return new GpuKernels(context, device.CreateAccelerator(context));
        }
        catch (Exception e) when (e is AcceleratorException or NotSupportedException or CapabilityNotSupportedException)
        {
            context.Dispose();
            throw new GpuException($"Device '{id}' cannot be used: {e.Message} Update its driver, or choose another device.", e);
        }
        catch
        {
            context.Dispose();
            throw;
        }
    }

    private static Context CreateContext()
    {
        try
        {
            // The default simulated device has groups of 16 threads; the kernels need 256.
            return Context.Create(b => b.Cuda().OpenCL().CPU(new CPUDevice(32, 8, 1)).EnableAlgorithms().Optimize(OptimizationLevel.O2));
        }
        catch (Exception e) when (e is AcceleratorException or NotSupportedException or DllNotFoundException)
        {
            throw new GpuException($"The GPU drivers cannot be asked: {e.Message} Install or update them, or use --device cpu.", e);
        }
    }

    private static IEnumerable<(string Id, Device Device)> Numbered(Context context)
    {
        int cuda = 0, opencl = 0;
        foreach (var device in context.Devices.Where(d => d.AcceleratorType == AcceleratorType.Cuda))
            yield return (string.Create(CultureInfo.InvariantCulture, $"cuda:{cuda++}"), device);
        foreach (var device in context.Devices.Where(d => d.AcceleratorType == AcceleratorType.OpenCL))
            yield return (string.Create(CultureInfo.InvariantCulture, $"opencl:{opencl++}"), device);
        foreach (var device in context.Devices.Where(d => d.AcceleratorType == AcceleratorType.CPU).Take(1))
            yield return (Simulation, device);
    }

    private static string Capability(Device device) => device switch
    {
        CudaDevice { Architecture: { } architecture } cuda => $"{architecture}, driver {cuda.DriverVersion}",
        _ => string.Create(CultureInfo.InvariantCulture, $"{device.NumMultiprocessors} processors, {device.MaxNumThreadsPerGroup} threads a group"),
    };
}
