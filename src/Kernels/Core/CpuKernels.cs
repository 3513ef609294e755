using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

/// <summary>The CPU backend. Every op's kernel is written once over <see cref="ILanes{TSelf}"/> and compiled for AVX-512, AVX2 and 128-bit lanes.</summary>
public sealed unsafe partial class CpuKernels : IKernels
{
    private readonly CpuMemory[] _scratch;
    private readonly CpuMemory _commonScratch = new(0);
    private readonly DeviceQueue _queue = new(nameof(CpuKernels));

    /// <summary>A backend with <paramref name="threads"/> workers; 0 takes one per processor. Results do not depend on the number.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A negative number, or more than 1024.</exception>
    public CpuKernels(int threads = 0)
    {
        if (threads is < 0 or > 1024)
            throw new ArgumentOutOfRangeException(nameof(threads), threads, "The number of threads is 1 to 1024, or 0 for one per processor.");
        Pool = new WorkerPool(threads == 0 ? Environment.ProcessorCount : threads);
        _scratch = new CpuMemory[Pool.WorkerCount];
        for (int i = 0; i < _scratch.Length; i++) _scratch[i] = new CpuMemory(0);
    }

    /// <summary>The widest vectors that compute-bound kernels use here: 16, 8 or 4 floats.</summary>
    public static int LaneCount => Avx512F.IsSupported ? 16 : Fma.IsSupported && Avx2.IsSupported ? 8 : 4;

    /// <inheritdoc/>
    public string DeviceName => LaneCount switch { 16 => "cpu (AVX-512)", 8 => "cpu (AVX2)", _ => "cpu (128-bit)" };

    /// <summary>Number of threads that run a kernel, the caller included.</summary>
    public int Threads => Pool.WorkerCount;

    internal WorkerPool Pool { get; }

    /// <summary>The ops, which are not among the class's public methods.</summary>
    private IKernels Ops => this;

    /// <inheritdoc/>
    DeviceQueue IKernels.Queue => _queue;

    /// <inheritdoc/>
    public DeviceMemory Allocate(long length)
    {
        _queue.ThrowIfEnded();
        return new CpuMemory(length);
    }

    /// <inheritdoc/>
    public void Upload(ReadOnlySpan<float> source, TensorView destination)
    {
        _queue.ThrowIfEnded();
        using var use = destination.BeginWrite();
        destination.CheckUpload(source.Length);
        source.CopyTo(destination.Span);
    }

    /// <inheritdoc/>
    public void Upload(ReadOnlySpan<int> source, TensorView destination) => Upload(MemoryMarshal.Cast<int, float>(source), destination);

    /// <inheritdoc/>
    public void Download(TensorView source, Span<float> destination)
    {
        _queue.ThrowIfEnded();
        using var use = source.BeginRead();
        source.CheckDownload(destination.Length);
        source.Span.CopyTo(destination);
    }

    /// <inheritdoc/>
    public void Synchronize() => _queue.ThrowIfEnded();

    /// <summary>Ends the workers of a device that was never disposed.</summary>
    ~CpuKernels()
    {
        // There are none where the constructor refused its arguments.
        if (Pool is { } pool) pool.Stop();
    }

    /// <summary>Ends the workers.</summary>
    /// <exception cref="InvalidOperationException">A plan is running.</exception>
    public void Dispose()
    {
        if (!_queue.End()) return;
        GC.SuppressFinalize(this);
        Pool.Dispose();
        foreach (var scratch in _scratch) scratch.Dispose();
        _commonScratch.Dispose();
    }

    /// <summary>
    /// Grows every worker's scratch to <paramref name="floats"/> elements. Called before a job is started; a second run of the same work
    /// therefore allocates nothing.
    /// </summary>
    private void EnsureScratch(long floats)
    {
        foreach (var scratch in _scratch) scratch.EnsureLength(floats);
    }

    /// <summary>The scratch of one worker, aligned to 64 bytes, contents undefined.</summary>
    internal float* Scratch(int worker) => _scratch[worker].Pointer;

    /// <summary>Grows the scratch that the workers of a job share.</summary>
    private void EnsureCommonScratch(long floats) => _commonScratch.EnsureLength(floats);

    /// <summary>The scratch that the workers of a job share, aligned to 64 bytes, contents undefined.</summary>
    private float* CommonScratch => _commonScratch.Pointer;
}
