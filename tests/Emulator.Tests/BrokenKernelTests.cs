using ILGPU;
using ILGPU.Runtime;
using IlgpuEmulator;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Emulator;

/// <summary>Each detector finds a kernel that is broken in just its way, and names it.</summary>
[TestFixture]
[Parallelizable(ParallelScope.All)]
public partial class BrokenKernelTests
{
    private const int Threads = 64;

    [Test]
    public void ReadOutOfRange()
    {
        var report = Run((device, launch) => device.LoadStreamKernel<ArrayView<float>, ArrayView<float>>(ReadsPastTheEnd)(
            launch, device.Allocate1D(new float[Threads]).View, device.Allocate1D<float>(Threads).View));
        Assert.That(report.Finding, Is.EqualTo(SanitizerFinding.OutOfRange));
        Assert.That(report.Kernel, Is.EqualTo("BrokenKernelTests.ReadsPastTheEnd"));
        Assert.That(report.Thread, Is.EqualTo(new Index3D(Threads - 1, 0, 0)));
        Assert.That(report.SourcePosition, Does.Contain("[Group.IdxX + 1]").And.Contain("BrokenKernelTests.Kernels.cs:"));
    }

    [Test]
    public void WriteOutOfRange()
    {
        var report = Run((device, launch) => device.LoadStreamKernel<ArrayView<float>>(WritesBeforeTheBeginning)(
            launch, device.Allocate1D<float>(Threads).View));
        Assert.That(report.Finding, Is.EqualTo(SanitizerFinding.OutOfRange));
        Assert.That(report.Message, Does.Contain("element -1"));
        Assert.That(report.Thread, Is.EqualTo(new Index3D(0, 0, 0)));
    }

    [Test]
    public void SubViewOutOfRange()
    {
        var report = Run((device, launch) => device.LoadStreamKernel<ArrayView<float>>(TakesTooLongASubView)(
            launch, device.Allocate1D<float>(Threads).View));
        Assert.That(report.Finding, Is.EqualTo(SanitizerFinding.OutOfRange));
        Assert.That(report.SourcePosition, Does.Contain("SubView(Group.IdxX)"));
    }

    [Test]
    public void MisalignedCast()
    {
        var report = Run((device, launch) => device.LoadStreamKernel<ArrayView<float>>(CastsOddOffsets)(
            launch, device.Allocate1D(new float[Threads + 8]).View));
        Assert.That(report.Finding, Is.EqualTo(SanitizerFinding.Misaligned));
        Assert.That(report.Thread, Is.EqualTo(new Index3D(1, 0, 0)));
    }

    [Test]
    public void ReadOfUnwrittenSharedMemory()
    {
        var report = Run((device, launch) => device.LoadStreamKernel<ArrayView<float>>(ReadsUnwrittenShared)(
            launch, device.Allocate1D<float>(Threads).View));
        Assert.That(report.Finding, Is.EqualTo(SanitizerFinding.UndefinedRead));
        Assert.That(report.Message, Does.Contain("shared Single[64]"));
        Assert.That(report.Thread, Is.EqualTo(new Index3D(40, 0, 0)));
        Assert.That(report.SourcePosition, Does.Contain("[Threads - 1 - lane]"));
    }

    [Test]
    public void ReadOfUnwrittenOutput()
    {
        var report = Run((device, launch) => device.LoadStreamKernel<ArrayView<float>>(AddsToItsOutput)(
            launch, device.Allocate1D<float>(Threads).View));
        Assert.That(report.Finding, Is.EqualTo(SanitizerFinding.UndefinedRead));
        Assert.That(report.Message, Does.Contain("global memory"));
    }

    [Test]
    public void UnwrittenOutputReadByTheHost()
    {
        using var device = new EmulatedDevice();
        var output = device.Allocate(Threads);
        device.Accelerator.LoadStreamKernel<ArrayView<float>>(WritesAllButTheLast)(new KernelConfig(1, Threads), output);
        var report = Assert.Throws<KernelSanitizerException>(() => output.GetAsArray())!;
        Assert.That(report.Finding, Is.EqualTo(SanitizerFinding.UndefinedRead));
        Assert.That(report.Message, Does.Contain($"element {Threads - 1} of {Threads}"));
    }

    [Test]
    public void RaceInSharedMemory()
    {
        var report = Run((device, launch) => device.LoadStreamKernel<ArrayView<float>>(AllWriteOneSharedElement)(
            launch, device.Allocate1D<float>(Threads).View));
        Assert.That(report.Finding, Is.EqualTo(SanitizerFinding.Race));
        Assert.That(report.Message, Does.Contain("element 0 of the shared Single[1]").And.Contain("no barrier between"));
    }

    [Test]
    public void RaceThatStaysInSharedMemory()
    {
        var report = Run((device, launch) => device.LoadStreamKernel<ArrayView<float>>(WritesSharedInVain)(
            launch, device.Allocate1D<float>(Threads).View));
        Assert.That(report.Finding, Is.EqualTo(SanitizerFinding.Race));
        Assert.That(report.Message, Does.Contain("shared Single[1]"));
    }

    [Test]
    public void FastModeChecksRangesButNotRaces()
    {
        EmulatorOptions.Thoroughness = Thoroughness.Fast;
        using var device = new EmulatedDevice();
        var launch = new KernelConfig(1, Threads);
        device.Accelerator.LoadStreamKernel<ArrayView<float>>(WritesSharedInVain)(launch, device.Allocate(Threads));
        Assert.Throws<KernelSanitizerException>(() =>
            device.Accelerator.LoadStreamKernel<ArrayView<float>>(WritesBeforeTheBeginning)(launch, device.Allocate(Threads)));
    }

    [Test]
    public void ShuffleFindsWhatTheTwoStraightOrdersMiss()
    {
        var report = Run((device, launch) => device.LoadStreamKernel<ArrayView<int>>(AsksWhetherItsPredecessorIsThere)(
            launch, device.Allocate1D<int>(Threads).View));
        Assert.That(report.Finding, Is.EqualTo(SanitizerFinding.Race));
        Assert.That(report.Message, Does.Contain("shared Int32[64]"));
    }

    [Test]
    public void MissingBarrier()
    {
        var report = Run((device, launch) => device.LoadStreamKernel<ArrayView<float>>(ReadsItsNeighbourTooSoon)(
            launch, device.Allocate1D<float>(Threads).View));
        Assert.That(report.Finding, Is.EqualTo(SanitizerFinding.Race));
        Assert.That(report.Message, Does.Contain("shared Single[64]").And.Contain("no barrier between"));
        Assert.That(report.SourcePosition, Is.Not.Empty);
    }

    [Test]
    public void RaceBetweenGroups()
    {
        var report = Run((device, _) => device.LoadStreamKernel<ArrayView<float>>(GroupsWriteOneElement)(
            new KernelConfig(4, Threads), device.Allocate1D<float>(Threads).View));
        Assert.That(report.Finding, Is.EqualTo(SanitizerFinding.Race));
        Assert.That(report.Message, Does.Contain("in the same launch"));
    }

    [Test]
    public void DivergentBarrier()
    {
        var report = Run((device, launch) => device.LoadStreamKernel<ArrayView<float>>(HalfReachTheBarrier)(
            launch, device.Allocate1D<float>(Threads).View));
        Assert.That(report.Finding, Is.EqualTo(SanitizerFinding.DivergentBarrier));
        Assert.That(report.Thread, Is.EqualTo(new Index3D(Threads / 2, 0, 0)));
    }

    [Test]
    public void DifferentBarriers()
    {
        var report = Run((device, launch) => device.LoadStreamKernel<ArrayView<float>>(BarrierInEitherBranch)(
            launch, device.Allocate1D<float>(Threads).View));
        Assert.That(report.Finding, Is.EqualTo(SanitizerFinding.DivergentBarrier));
    }

    [Test]
    public void TooManyThreads()
    {
        var report = Run((device, _) => device.LoadStreamKernel<ArrayView<float>>(WritesAllButTheLast)(
            new KernelConfig(1, 2048), device.Allocate1D<float>(2048).View));
        Assert.That(report.Finding, Is.EqualTo(SanitizerFinding.GroupSize));
    }

    [Test]
    public void TooMuchSharedMemory()
    {
        var report = Run((device, launch) => device.LoadStreamKernel<ArrayView<float>>(TakesTooMuchSharedMemory)(
            launch, device.Allocate1D<float>(Threads).View));
        Assert.That(report.Finding, Is.EqualTo(SanitizerFinding.SharedMemory));
        Assert.That(report.Message, Does.Contain("49152"));
    }

    [Test]
    public void ExceptionInAKernel()
    {
        var report = Run((device, launch) => device.LoadStreamKernel<ArrayView<int>, int>(DividesByZero)(
            launch, device.Allocate1D<int>(Threads).View, 0));
        Assert.That(report.Finding, Is.EqualTo(SanitizerFinding.KernelFailure));
        Assert.That(report.InnerException, Is.InstanceOf<DivideByZeroException>());
    }

    [Test]
    public void GroupOnTheHost()
    {
        var report = Assert.Throws<KernelSanitizerException>(() => _ = Group.IdxX)!;
        Assert.That(report.Finding, Is.EqualTo(SanitizerFinding.Misuse));
    }

    [Test]
    public void ViewOfADisposedBuffer()
    {
        var report = Run((device, launch) =>
        {
            var buffer = device.Allocate1D<float>(Threads);
            var view = buffer.View;
            buffer.Dispose();
            device.LoadStreamKernel<ArrayView<float>>(WritesAllButTheLast)(launch, view);
        });
        Assert.That(report.Finding, Is.EqualTo(SanitizerFinding.Misuse));
    }

    private static KernelSanitizerException Run(Action<Accelerator, KernelConfig> launch)
    {
        using var device = new EmulatedDevice();
        return Assert.Throws<KernelSanitizerException>(() => launch(device.Accelerator, new KernelConfig(1, Threads)))!;
    }
}
