using ILGPU;
using ILGPU.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Emulator;

/// <summary>
/// Kernels are rewritten so that lanes can wait at barriers. Whatever a lane holds must survive that: here every kernel computes a
/// value lane by lane, waits in some awkward place, and must still have it.
/// </summary>
[TestFixture]
[Parallelizable(ParallelScope.All)]
public class WaitingKernelTests
{
    private const int Threads = 32;

    private interface IFormula<TSelf>
        where TSelf : IFormula<TSelf>
    {
        static abstract float Apply(float x);

        float ApplyTo(float x);
    }

    [Test]
    public void StaticAbstractFormula() => Expect(Run(FormulaKernel<Square>), i => (i * i) + (2 * i * i));

    [Test]
    public void GenericHelperThatWaits() => Expect(Run(GenericKernel), i => i + 1 + i + 2);

    [Test]
    public void WaitsInsideAnExpression() => Expect(Run(ExpressionKernel), i => (3 * i) + (i > 10 ? 100 : 200) + i);

    [Test]
    public void ManyTypesOfLocals() => Expect(Run(LocalsKernel), i => i + 0.5f + i + i + (i % 2 == 0 ? 1 : 0) + 7 + (i * 2) + (i * 3));

    [Test]
    public void WaitsInSwitchAndLoop() => Expect(Run(SwitchKernel), i => 1 + 20 + 300 + 300 + i);

    [Test]
    public void ReferenceLocalAcrossABarrier() => Expect(Run(ReferenceKernel), i => ((i + 1) % Threads * 10) + 5);

    [Test]
    public void StructMethodThatWaits() => Expect(Run(StructKernel), i => (3 * i) + 5 + (2 * i) + 1);

    [Test]
    public void NestedHelpersThatWait() => Expect(Run(NestedKernel), i => (i * 8) + 3);

    [Test]
    public void TwoGroupsDoNotMix()
    {
        using var device = new EmulatedDevice();
        var y = device.Allocate(3 * 2 * Threads);
        device.Accelerator.LoadStreamKernel<ArrayView<float>>(GridKernel)(
            new KernelConfig(new Index3D(3, 1, 2), new Index3D(4, 2, 4)), y);
        Assert.That(y.GetAsArray(), Is.EqualTo(Enumerable.Range(0, 3 * 2 * Threads).Select(i => (float)i)));
    }

    private static void Expect(float[] actual, Func<int, float> expected) =>
        Assert.That(actual, Is.EqualTo(Enumerable.Range(0, Threads).Select(expected)));

    private static float[] Run(Action<ArrayView<float>> kernel)
    {
        using var device = new EmulatedDevice();
        var y = device.Allocate(Threads);
        device.Accelerator.LoadStreamKernel(kernel)(new KernelConfig(1, Threads), y);
        return y.GetAsArray();
    }

    private static void FormulaKernel<T>(ArrayView<float> y)
        where T : struct, IFormula<T>
    {
        T formula = default;
        float x = T.Apply(Group.IdxX);
        Group.Barrier();
        y[Group.IdxX] = x + formula.ApplyTo(Group.IdxX);
    }

    private static void GenericKernel(ArrayView<float> y) =>
        y[Group.IdxX] = AfterWaiting(Group.IdxX + 1f) + (float)AfterWaiting((double)Group.IdxX + 2);

    private static T AfterWaiting<T>(T value)
        where T : unmanaged
    {
        Group.Barrier();
        return value;
    }

    private static void ExpressionKernel(ArrayView<float> y)
    {
        int lane = Group.IdxX;
        y[lane] = (AfterWaiting(lane) * 3) + (lane > 10 ? AfterWaiting(100) : AfterWaiting(200)) + AfterWaiting(lane);
    }

    private static void LocalsKernel(ArrayView<float> y)
    {
        double half = Group.IdxX + 0.5;
        long big = Group.IdxX;
        byte small = (byte)Group.IdxX;
        bool even = Group.IdxX % 2 == 0;
        var pair = (Left: Group.IdxX * 2, Right: Group.IdxX * 3f);
        uint seven = 7;
        Group.Barrier();
        y[Group.IdxX] = (float)half + big + small + (even ? 1 : 0) + seven + pair.Left + pair.Right;
    }

    private static void SwitchKernel(ArrayView<float> y)
    {
        float sum = 0;
        for (int i = 0; i < 4; i++)
        {
            switch (i)
            {
                case 0:
                    sum += AfterWaiting(1);
                    break;
                case 1:
                    Group.Barrier();
                    sum += 20;
                    break;
                default:
                    sum += 300;
                    Group.Barrier();
                    break;
            }
        }
        y[Group.IdxX] = sum + Group.IdxX;
    }

    private static void ReferenceKernel(ArrayView<float> y)
    {
        var shared = SharedMemory.Allocate<float>(Threads);
        shared[Group.IdxX] = Group.IdxX * 10;
        ref float neighbour = ref shared[(Group.IdxX + 1) % Threads];
        Group.Barrier();
        float value = neighbour;
        Group.Barrier();
        y[Group.IdxX] = value + 5;
    }

    private static void NestedKernel(ArrayView<float> y)
    {
        var state = new Pair { Value = Group.IdxX };
        Outer(ref state, 3);
        y[Group.IdxX] = state.Value + 3;
    }

    private static void StructKernel(ArrayView<float> y)
    {
        var pair = new Pair { Value = Group.IdxX, Count = 4 };
        float sum = Group.IdxX + pair.SumAfterWaiting(Group.IdxX, 5);
        y[Group.IdxX] = sum + pair.Value;
    }

    private static void Outer(ref Pair state, int times)
    {
        for (int i = 0; i < times; i++)
        {
            state.Count++;
            Inner(ref state.Value);
            Group.Barrier();
        }
    }

    private static void Inner(ref float value)
    {
        float before = value;
        Group.Barrier();
        value += before;
    }

    private static void GridKernel(ArrayView<float> y)
    {
        var shared = SharedMemory.Allocate<int>(Threads);
        shared[Threads - 1 - Group.LinearIndex] = Grid.LinearIndex;
        Group.Barrier();
        y[(shared[Group.LinearIndex] * Threads) + Group.LinearIndex] = Grid.GlobalLinearIndex;
    }

    private struct Pair
    {
        public float Value;
        public int Count;

        public float SumAfterWaiting(float x, float y)
        {
            Group.Barrier();
            float sum = Value + x + y;
            Value *= 2;
            Group.Barrier();
            Value++;
            return sum;
        }
    }

    private struct Square : IFormula<Square>
    {
        public static float Apply(float x) => x * x;

        public readonly float ApplyTo(float x) => 2 * x * x;
    }
}
