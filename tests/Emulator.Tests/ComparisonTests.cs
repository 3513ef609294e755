using System.Reflection;
using System.Reflection.Emit;
using IlgpuEmulator;
using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Emulator;

/// <summary>
/// How kernels compare floats. The emulator runs their IL, so it cannot show what ILGPU 1.5.3 does to a comparison whose left side is a constant (docs/gpu.md,
/// "NaN"): PtxTests can, but only for comparisons that the compiler left ordered. So all must be.
/// </summary>
[TestFixture]
public sealed class ComparisonTests
{
    private static readonly OpCode[] Unordered =
    [
        OpCodes.Clt_Un, OpCodes.Cgt_Un, OpCodes.Blt_Un, OpCodes.Blt_Un_S, OpCodes.Bgt_Un, OpCodes.Bgt_Un_S,
        OpCodes.Ble_Un, OpCodes.Ble_Un_S, OpCodes.Bge_Un, OpCodes.Bge_Un_S,
    ];

    [Test]
    public void Kernels_compare_floats_in_order()
    {
        var found = GpuKernelTypes.All.SelectMany(FloatsOutOfOrder).Distinct();
        Assert.That(found, Is.Empty, "Say it as a choice of one of two values, a > b ? x : y, instead of by an if statement or as a bool, or use ScalarMath.Max.");
    }

    [Test]
    public void A_kernel_that_does_not_is_found() =>
        Assert.That(FloatsOutOfOrder(typeof(BranchingKernel)), Is.EqualTo(new[] { $"{nameof(BranchingKernel)}.{nameof(IGpuKernel.Run)}: ble.un.s" }));

    private static IEnumerable<string> FloatsOutOfOrder(Type kernel) =>
        from step in KernelCode.Of(kernel)
        where Unordered.Contains(step.Code.Op) && ComparesFloats(step.Method, step.Code)
        select $"{step.Method.DeclaringType!.Name}.{step.Method.Name}: {step.Code.Op}";

    private static bool ComparesFloats(MethodBase method, IlInstruction comparison)
    {
        var code = IlReader.Read(method);
        var type = new StackTypes(method, code).Compared(comparison);
        return type == typeof(float) || type == typeof(double);
    }

    public struct BranchingKernel : IGpuKernel
    {
        public ILGPU.ArrayView<float> X;
        public uint Count;

        public readonly void Run()
        {
            if (X[0] > X[1]) X[2] = 0f;
            if (Count > 1) X[3] = X[0] > X[1] ? 1f : 2f;
        }
    }
}
