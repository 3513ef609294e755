using System.Globalization;
using ILGPU;
using ILGPU.Runtime;

namespace NativeDiffusion.Kernels;

/// <summary>
/// The GPU backend: every op as kernels that ILGPU compiles for CUDA, OpenCL or its own CPU simulation. Sums are taken in an order that follows from
/// the shape, without atomics, so results on one device are the same bits from run to run.
/// </summary>
internal sealed partial class GpuKernels : IKernels
{
    /// <summary>Groups of a product that a multiprocessor needs, so that one computes while the other waits for memory.</summary>
    private const int GroupsAtOnce = 2;

    /// <summary>Threads of a group, unless a kernel needs another number.</summary>
    internal const int GroupSize = 256;

    private readonly Context? _context;
    private readonly Accelerator _accelerator;
    private readonly GpuLauncher _launcher;
    private readonly AcceleratorStream _stream;
    private readonly Func<long>? _freeBytes;
    private readonly DeviceQueue _queue;
    private readonly Dictionary<Type, Delegate> _launchers = [];
    private readonly List<GpuMemory> _scratch = [];
    private readonly GpuMemory _nothing;
    private long _allocatedBytes;

    /// <summary>Takes over an accelerator of at least 256 threads per group, and its context if that is given.</summary>
    /// <param name="context">Its context.</param>
    /// <param name="accelerator">The accelerator.</param>
    /// <param name="freeBytes">Bytes of its memory that are free; left out, those that were not allocated here.</param>
    /// <param name="launcher">How kernels come to it; left out, as ILGPU does by itself.</param>
    internal GpuKernels(Context? context, Accelerator accelerator, Func<long>? freeBytes = null, GpuLauncher? launcher = null)
    {
        _launcher = launcher ?? new GpuLauncher(accelerator);
        _stream = _launcher.Stream;
        (_context, _freeBytes) = (context, freeBytes);
        if (accelerator.MaxNumThreadsPerGroup < GroupSize)
            throw new NotSupportedException($"Device '{accelerator.Name}' runs {accelerator.MaxNumThreadsPerGroup} threads per group; the kernels need {GroupSize}.");
        _accelerator = accelerator;
        _queue = new DeviceQueue(nameof(GpuKernels), accelerator.Bind);
        _nothing = new GpuMemory(this, 4);
    }

    /// <inheritdoc/>
    public string DeviceName => $"{_accelerator.AcceleratorType.ToString().ToLowerInvariant()} ({_accelerator.Name}{ArithmeticName})";

    /// <inheritdoc/>
    DeviceQueue IKernels.Queue => _queue;

    /// <inheritdoc/>
    DeviceCapacity? IKernels.Capacity => new DeviceCapacity(
        (long)GroupsAtOnce * Gemm.TileRows * Gemm.TileColumns * Math.Max(1, _accelerator.Device.NumMultiprocessors), FreeBytes);

    private long FreeBytes => _freeBytes?.Invoke() ?? MemoryOf(_accelerator.Device) - _allocatedBytes;

    /// <inheritdoc/>
    public DeviceMemory Allocate(long length)
    {
        using var turn = _queue.Enter();
        var memory = new GpuMemory(this, length);
        try
        {
            memory.Clear(_stream);
        }
        catch (AcceleratorException e)
        {
            throw Lost(e);
        }
        return memory;
    }

    /// <inheritdoc/>
    public unsafe void Upload(ReadOnlySpan<float> source, TensorView destination)
    {
        using var turn = _queue.Enter();
        using var use = destination.BeginWrite();
        destination.CheckUpload(source.Length);
        HostCalls++;
        // ILGPU copies from the bare address: without a pin, a collection may move the array meanwhile.
        fixed (float* pinned = source)
        {
            if (source.Length == 0) return;
            try
            {
                View(destination).CopyFromCPU(_stream, ref *pinned, source.Length);
            }
            catch (AcceleratorException e)
            {
                throw Lost(e);
            }
        }
    }

    /// <inheritdoc/>
    public void Upload(ReadOnlySpan<int> source, TensorView destination) =>
        Upload(System.Runtime.InteropServices.MemoryMarshal.Cast<int, float>(source), destination);

    /// <inheritdoc/>
    public unsafe void Download(TensorView source, Span<float> destination)
    {
        using var turn = _queue.Enter();
        using var use = source.BeginRead();
        source.CheckDownload(destination.Length);
        HostCalls++;
        fixed (float* pinned = destination)
        {
            if (source.Count == 0) return;
            try
            {
                View(source).CopyToCPU(_stream, ref *pinned, source.Count);
            }
            catch (AcceleratorException e)
            {
                throw Lost(e);
            }
        }
    }

    /// <inheritdoc/>
    public void Synchronize()
    {
        using var turn = _queue.Enter();
        HostCalls++;
        try
        {
            _accelerator.Synchronize();
        }
        catch (AcceleratorException e)
        {
            throw Lost(e);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_queue.End()) return;
        _accelerator.Bind();
        foreach (var graph in _graphs) graph.Dispose();
        foreach (var scratch in _scratch) scratch.Dispose();
        _nothing.Dispose();
        DisposeQuietly(_launcher);
        DisposeQuietly(_accelerator);
        _context?.Dispose();
    }

    /// <summary>Bytes of a device's memory. ILGPU knows no limit for its simulation, which lives in the machine's memory.</summary>
    internal static long MemoryOf(Device device) => Math.Min(device.MemorySize, device.AcceleratorType == AcceleratorType.CPU
        ? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes
        : long.MaxValue);

    /// <summary>Memory, with whatever it holds.</summary>
    /// <exception cref="DeviceMemoryException">There is not enough.</exception>
    internal MemoryBuffer1D<float, Stride1D.Dense> AllocateBuffer(long length)
    {
        long bytes = checked(length * sizeof(float)), total = MemoryOf(_accelerator.Device);
        try
        {
            // Some drivers promise memory that they do not have, and fail when it is used.
            if (bytes > total - _allocatedBytes) throw new OutOfMemoryException();
            var buffer = _accelerator.Allocate1D<float>(length);
            Interlocked.Add(ref _allocatedBytes, bytes);
            Interlocked.Increment(ref _memoryVersion);
            return buffer;
        }
        catch (Exception e) when (e is AcceleratorException or OutOfMemoryException)
        {
            // A device that was lost fails here too, and tells so when it is waited for.
            Synchronize();
            long free = FreeBytes;
            throw new DeviceMemoryException(
                string.Create(CultureInfo.InvariantCulture, $"{DeviceName} has no room for {bytes / 1e6:0} MB: of its {total / 1e6:0} MB, {free / 1e6:0} MB are free. ")
                + "Use a smaller batch or network, another device, or end what else uses this one.",
                DeviceName, bytes, free, total, e);
        }
    }

    internal void Free(MemoryBuffer1D<float, Stride1D.Dense> buffer)
    {
        Interlocked.Add(ref _allocatedBytes, -buffer.LengthInBytes);
        Interlocked.Increment(ref _memoryVersion);
        DisposeQuietly(buffer);
    }

    // A lost device has nothing to give back, and what is to be reported is its loss.
    private static void DisposeQuietly(IDisposable resource)
    {
        try
        {
            resource.Dispose();
        }
        catch (AcceleratorException)
        {
        }
    }

    private DeviceLostException Lost(AcceleratorException e) => new(
        $"{DeviceName} stopped working: {e.Message.TrimEnd('.')}. What it held is lost; open it again and go on from what was saved.", e);

    /// <summary>The kernels that were started so far.</summary>
    internal IEnumerable<Type> Started => _launchers.Keys;

    /// <summary>The elements of a tensor; one that was left out has some, which are never read.</summary>
    private ArrayView<float> View(TensorView tensor) => tensor.IsEmpty
        ? _nothing.View
        : ((GpuMemory)tensor.Memory!).View.SubView(tensor.Offset, tensor.Count);

    /// <summary>A tensor of int32 bit patterns.</summary>
    private ArrayView<int> Indices(TensorView tensor) => View(tensor).Cast<int>();

    /// <summary>Memory for a kernel's intermediate results; <paramref name="index"/> tells apart those that are needed at once.</summary>
    private ArrayView<float> Scratch(int index, long length)
    {
        while (_scratch.Count <= index) _scratch.Add(new GpuMemory(this, 0));
        _scratch[index].EnsureLength(length);
        var view = _scratch[index].View.SubView(0, length);
        Forget(view);
        return view;
    }

    /// <summary>Where the emulator runs the kernels: what memory holds no longer counts as written. Elsewhere nothing.</summary>
    static partial void Forget(ArrayView<float> memory);

    /// <summary>Starts a kernel; its fields are its arguments. Kernels run in the order in which they were started.</summary>
    private void Launch<TKernel>(in TKernel kernel, long groups, int groupsY = 1)
        where TKernel : struct, IGpuKernel
    {
        if (!_launchers.TryGetValue(typeof(TKernel), out var launcher)) _launchers[typeof(TKernel)] = launcher = Load<TKernel>();
        Launches++;
        var config = new KernelConfig(new Index3D(checked((int)groups), groupsY, 1), new Index3D(TKernel.Threads, 1, 1));
        try
        {
            ((Action<KernelConfig, TKernel>)launcher)(config, kernel);
        }
        catch (AcceleratorException e)
        {
            throw Lost(e);
        }
    }

    private Action<KernelConfig, TKernel> Load<TKernel>()
        where TKernel : struct, IGpuKernel
    {
        try
        {
            return _launcher.Load<TKernel>();
        }
        catch (AcceleratorException e)
        {
            // It may be an earlier kernel's failure that is noticed here.
            Synchronize();
            throw new DeviceException($"{DeviceName} does not take the kernel {typeof(TKernel).Name}: {e.Message.TrimEnd('.')}. Update its driver, or choose another device.", e);
        }
    }

    /// <summary>Starts a kernel of one thread for each of <paramref name="count"/> elements.</summary>
    private void LaunchEach<TKernel>(in TKernel kernel, long count)
        where TKernel : struct, IGpuKernel => Launch(kernel, (count + GroupSize - 1) / GroupSize);
}

/// <summary>A kernel: a struct whose fields are the arguments and whose method is run by every thread.</summary>
internal interface IGpuKernel
{
    /// <summary>Threads of a group.</summary>
    static virtual int Threads => GpuKernels.GroupSize;

    void Run();
}

/// <summary>The method that is compiled for the device, once for every kernel.</summary>
internal static class GpuEntry
{
    public static void Run<TKernel>(TKernel kernel)
        where TKernel : struct, IGpuKernel => kernel.Run();

    /// <summary>What the compiler is told of a kernel.</summary>
    public static KernelSpecialization Specialization<TKernel>()
        where TKernel : struct, IGpuKernel => new(TKernel.Threads, 1);
}

/// <summary>Four floats that are moved at once, in 128 bits.</summary>
internal struct F4
{
    public float X, Y, Z, W;
}
