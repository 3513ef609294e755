using System.Reflection;
using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Emulator;

/// <summary>What the GPU backend's own code can start, read from its IL: the list for `ptx` must be that, and every op must start something.</summary>
[TestFixture]
public sealed class KernelListTests
{
    // Weights are read as they are: there is nothing to pack.
    private static readonly string[] WithoutKernels = [nameof(IKernels.Upload), nameof(IKernels.Download), nameof(IKernels.Synchronize), nameof(IKernels.Conv2dPack)];

    private static MethodInfo[] Ops
    {
        get
        {
            var map = typeof(GpuKernels).GetInterfaceMap(typeof(IKernels));
            return [.. map.InterfaceMethods.Zip(map.TargetMethods)
                .Where(pair => pair.First.ReturnType == typeof(void) && !WithoutKernels.Contains(pair.First.Name)).Select(pair => pair.Second)];
        }
    }

    [Test]
    public void The_list_holds_exactly_the_kernels_that_the_backend_can_start()
    {
        string[] started = [.. Ops.SelectMany(KernelCode.StartedBy).Select(GpuKernelTypes.Name).Distinct()];
        Assert.That(GpuKernelTypes.All.Select(GpuKernelTypes.Name), Is.EquivalentTo(started));
    }

    [TestCaseSource(nameof(Ops))]
    public void Every_op_starts_a_kernel(MethodInfo op) => Assert.That(KernelCode.StartedBy(op), Is.Not.Empty, $"{op.Name} starts no GPU kernel");

    [Test]
    public void An_op_without_a_kernel_is_seen() =>
        Assert.That(KernelCode.StartedBy(typeof(GpuKernels).GetMethod(nameof(GpuKernels.Conv2dPack))!), Is.Empty);
}
