using System.Reflection;
using IlgpuEmulator;
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
        string[] started = [.. Ops.SelectMany(StartedBy).Select(GpuKernelTypes.Name).Distinct()];
        Assert.That(GpuKernelTypes.All.Select(GpuKernelTypes.Name), Is.EquivalentTo(started));
    }

    [TestCaseSource(nameof(Ops))]
    public void Every_op_starts_a_kernel(MethodInfo op) => Assert.That(StartedBy(op), Is.Not.Empty, $"{op.Name} starts no GPU kernel");

    [Test]
    public void An_op_without_a_kernel_is_seen() =>
        Assert.That(StartedBy(typeof(GpuKernels).GetMethod(nameof(GpuKernels.Conv2dPack))!), Is.Empty);

    /// <summary>The kernels that a method loads, by itself or through other methods of the backend.</summary>
    private static HashSet<Type> StartedBy(MethodBase method)
    {
        var kernels = new HashSet<Type>();
        var seen = new HashSet<MethodBase>();
        var open = new Stack<MethodBase>([method]);
        while (open.TryPop(out var next))
        {
            if (!seen.Add(next)) continue;
            foreach (var called in IlReader.Read(next).Select(instruction => instruction.Operand).OfType<MethodBase>())
            {
                if (called.DeclaringType == typeof(GpuEntry)) kernels.Add(called.GetGenericArguments()[0]);
                else if (called.DeclaringType == typeof(GpuKernels)) open.Push(called);
            }
        }
        return kernels;
    }
}
