using System.Reflection;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using IlgpuEmulator;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Emulator;

/// <summary>The instruction of tensor cores that the emulator knows: lanes wait for their warp, and get the product of matrices.</summary>
[TestFixture]
[Parallelizable(ParallelScope.All)]
public class WarpInstructionTests
{
    private const int Warps = 2, Threads = 32 * Warps, Rows = 16, Columns = 8, Depth = 8;

    [Test]
    public void MultipliesMatrices()
    {
        using var device = new EmulatedDevice();
        float[] a = [.. Enumerable.Range(0, Rows * Depth).Select(i => (i * 7 % 23) - 11f)];
        float[] b = [.. Enumerable.Range(0, Columns * Depth).Select(i => (i * 5 % 19) - 9f)];
        var y = device.Allocate(Warps * Rows * Columns);
        device.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, ArrayView<float>>(MultiplyTwice)(
            new KernelConfig(1, Threads), device.Upload(a), device.Upload(b), y);
        float[] result = y.GetAsArray();
        for (int i = 0; i < result.Length; i++)
        {
            int row = i / Columns % Rows, column = i % Columns;
            float product = Enumerable.Range(0, Depth).Sum(k => a[(row * Depth) + k] * b[(column * Depth) + k]);
            // Twice, onto the number of the warp.
            Assert.That(result[i], Is.EqualTo((2 * product) + (i / (Rows * Columns))), $"element {i}");
        }
    }

    [Test]
    public void AThreadThatGoesElsewhere()
    {
        var report = Broken(LeavesOneOut);
        Assert.That(report.Finding, Is.EqualTo(SanitizerFinding.DivergentBarrier));
        Assert.That(report.Thread, Is.EqualTo(new Index3D(37, 0, 0)));
        Assert.That(report.SourcePosition, Does.Contain("mma.sync").And.Contain("WarpInstructionTests.cs:"));
    }

    [Test]
    public void WhatCanWaitIsKnownToEveryThreadThatAsks()
    {
        // A new method each time: what was found out before is remembered.
        Type argument = typeof(int);
        for (int i = 0; i < 60; i++)
        {
            argument = typeof(List<>).MakeGenericType(argument);
            var method = typeof(WarpInstructionTests).GetMethod(nameof(WaitsAtTheEnd), BindingFlags.NonPublic | BindingFlags.Static)!.MakeGenericMethod(argument);
            using var start = new Barrier(4);
            bool[] found = new bool[start.ParticipantCount];
            Thread[] threads = [.. Enumerable.Range(0, found.Length).Select(k => new Thread(() =>
            {
                start.SignalAndWait();
                found[k] = Barriers.CanReach(method);
            }))];
            foreach (var thread in threads) thread.Start();
            foreach (var thread in threads) thread.Join();
            Assert.That(found, Has.All.True, $"method {i}");
        }
    }

    [Test]
    public void AFactorThatIsNotRounded()
    {
        var report = Broken(DoesNotRound);
        Assert.That(report.Finding, Is.EqualTo(SanitizerFinding.Misuse));
        Assert.That(report.Message, Does.Contain("not rounded to TF32"));
    }

    [Test]
    public void AnInstructionThatItDoesNotKnow() => Assert.That(
        () => Run(DoesSomethingElse), Throws.TypeOf<NotSupportedException>().With.Message.Contains("m16n8k4"));

    private static KernelSanitizerException Broken(Action<ArrayView<float>> kernel) => Assert.Throws<KernelSanitizerException>(() => Run(kernel))!;

    private static void Run(Action<ArrayView<float>> kernel)
    {
        using var device = new EmulatedDevice();
        device.Accelerator.LoadStreamKernel(kernel)(new KernelConfig(1, Threads), device.Allocate(Threads));
    }

    private static void MultiplyTwice(ArrayView<float> a, ArrayView<float> b, ArrayView<float> y)
    {
        int warp = Group.IdxX / 32, g = Group.IdxX % 32 / 4, t = Group.IdxX % 4;
        var sums = new Sums { X = warp, Y = warp, Z = warp, W = warp };
        for (int i = 0; i < 2; i++)
            Multiply(
                ref sums, a[(g * Depth) + t], a[((g + 8) * Depth) + t], a[(g * Depth) + t + 4], a[((g + 8) * Depth) + t + 4],
                b[(g * Depth) + t], b[(g * Depth) + t + 4]);
        int row = (warp * Rows) + g;
        y[(row * Columns) + (2 * t)] = sums.X;
        y[(row * Columns) + (2 * t) + 1] = sums.Y;
        y[((row + 8) * Columns) + (2 * t)] = sums.Z;
        y[((row + 8) * Columns) + (2 * t) + 1] = sums.W;
    }

    private static void LeavesOneOut(ArrayView<float> y)
    {
        var sums = default(Sums);
        if (Group.IdxX != 37)
            Multiply(ref sums, 1, 1, 1, 1, 1, 1);
        y[Group.IdxX] = sums.X;
    }

    private static void WaitsAtTheEnd<T>(ArrayView<float> y)
    {
        y[0] = Group.IdxX;
        y[1] = Group.IdxY;
        y[2] = Group.DimX;
        Group.Barrier();
    }

    private static void DoesNotRound(ArrayView<float> y)
    {
        var sums = default(Sums);
        Multiply(ref sums, 1, 1, 0.1f, 1, 1, 1);
        y[Group.IdxX] = sums.X;
    }

    private static void DoesSomethingElse(ArrayView<float> y)
    {
        Ref<float> x = 0;
        Input<uint> a = 0;
        CudaAsm.EmitRef(
            "mma.sync.aligned.m16n8k4.row.col.f32.tf32.tf32.f32 {%0, %0, %0, %0}, {%1, %1}, {%1}, {%0, %0, %0, %0};",
            ref x, ref a, ref a, ref a, ref a, ref a, ref a, ref a, ref a, ref a);
        y[Group.IdxX] = x.Value;
    }

    private static void Multiply(ref Sums sums, float a0, float a1, float a2, float a3, float b0, float b1)
    {
        Ref<float> x = sums.X, y = sums.Y, z = sums.Z, w = sums.W;
        Input<uint> i0 = Interop.FloatAsInt(a0), i1 = Interop.FloatAsInt(a1), i2 = Interop.FloatAsInt(a2), i3 = Interop.FloatAsInt(a3);
        Input<uint> j0 = Interop.FloatAsInt(b0), j1 = Interop.FloatAsInt(b1);
        CudaAsm.EmitRef(
            "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};",
            ref x, ref y, ref z, ref w, ref i0, ref i1, ref i2, ref i3, ref j0, ref j1);
        sums = new Sums { X = x.Value, Y = y.Value, Z = z.Value, W = w.Value };
    }

    private struct Sums
    {
        public float X, Y, Z, W;
    }
}
