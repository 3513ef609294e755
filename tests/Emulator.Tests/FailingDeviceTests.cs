using ILGPU;
using IlgpuEmulator;
using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Emulator;

/// <summary>What the GPU backend makes of a device without room, and of one that is lost in the middle of the work.</summary>
[TestFixture]
public class FailingDeviceTests
{
    private const int Side = 16, Width = 32;

    // Beside the plan: the weights, and the block that stands for tensors left out.
    private const long WeightBytes = 4L * Width * (9 * Width + 2), NothingBytes = 16;

    [TearDown]
    public void Mend() => EmulatorOptions.Failing = null;

    [Test]
    public void APlanWithoutRoomSaysWhatItNeedsAndWhatWouldFit()
    {
        EmulatorOptions.Failing = new FailingDevice { MemoryBytes = 1_000_000 };
        using var kernels = Open(EmulatorOptions.Failing);
        using var parameters = Weights(kernels);
        var error = Assert.Throws<DeviceMemoryException>(() => Record(kernels, parameters, 64))!;
        long room = 1_000_000 - WeightBytes - NothingBytes;
        Assert.That(error.FreeBytes, Is.EqualTo(room));
        Assert.That(error.Message, Does.Contain("a plan of 64 images needs 4.2 MB, beside 0.0 MB of weights").And.Contain("ILGPU emulator").And.Contain("1.0 MB free"));
        int fits = int.Parse(System.Text.RegularExpressions.Regex.Match(error.Message, "A batch of ([0-9]+) fits").Groups[1].Value);
        Assert.That(() => Record(kernels, parameters, fits + 1), Throws.TypeOf<DeviceMemoryException>(), $"one more than the {fits} that fit");
        using var plan = Record(kernels, parameters, fits);
        plan.Run();
    }

    [Test]
    public void APlanOfWhichNotOneImageFitsSaysSo()
    {
        EmulatorOptions.Failing = new FailingDevice { MemoryBytes = 60_000 };
        using var kernels = Open(EmulatorOptions.Failing);
        using var parameters = Weights(kernels);
        Assert.That(() => Record(kernels, parameters, 3), Throws.TypeOf<DeviceMemoryException>().With.Message.Contains("Not even one image fits"));
    }

    [Test]
    public void AKernelWithoutRoomForItsWorkspaceCountsItAmongThePlansNeeds()
    {
        EmulatorOptions.Failing = new FailingDevice();
        using var kernels = Open(EmulatorOptions.Failing);
        using var parameters = Weights(kernels);
        using var plan = Record(kernels, parameters, 8, normalised: true);
        EmulatorOptions.Failing.MemoryBytes = 200_000;
        var error = Assert.Throws<DeviceMemoryException>(plan.Run)!;
        Assert.That(error.Message, Does.Contain("a plan of 8 images needs 0.5 MB and 0.3 MB for its kernels").And.Match("A batch of [1-7] fits"));
    }

    [Test]
    public void MemoryThatGrowsGivesBackWhatItHad()
    {
        EmulatorOptions.Failing = new FailingDevice { MemoryBytes = 1000 + NothingBytes };
        using var kernels = Open(EmulatorOptions.Failing);
        using var memory = kernels.Allocate(200);
        memory.EnsureLength(250);
        Assert.That(() => memory.EnsureLength(251), Throws.TypeOf<DeviceMemoryException>().With.Property("FreeBytes").EqualTo(1000).And.Property("RequestedBytes").EqualTo(1004));
        memory.EnsureLength(250);
        Assert.That(memory.Length, Is.EqualTo(250));
    }

    [Test]
    public void ALostDeviceIsNamedByEveryCallAndCanBeDisposed()
    {
        EmulatorOptions.Failing = new FailingDevice();
        using (var kernels = Open(EmulatorOptions.Failing))
        using (var parameters = Weights(kernels))
        using (var plan = Record(kernels, parameters, 2))
        {
            plan.Run();
            EmulatorOptions.Failing.LaunchesLeft = 0;
            void AssertLost(Action act) => Assert.That(
                act, Throws.TypeOf<DeviceLostException>().With.Message.Contains("cpu (ILGPU emulator) stopped working: unspecified launch failure"));
            AssertLost(plan.Run);
            AssertLost(kernels.Synchronize);
            AssertLost(() => kernels.Upload([1f], plan.Input("x")));
            AssertLost(() => kernels.Download(plan.Input("x").Rows(0, 1), new float[Side * Side * Width]));
            AssertLost(() => kernels.Allocate(10));
        }
        // Reached without another exception.
    }

    private static GpuKernels Open(FailingDevice device)
    {
        var context = Context.CreateDefault();
        return new GpuKernels(context, context.GetPreferredDevice(preferCPU: false).CreateAccelerator(context), () => device.MemoryBytes);
    }

    private static Parameters Weights(IKernels kernels)
    {
        var parameters = new Parameters(kernels);
        parameters.Add("conv.weight", new Shape(Width, 3, 3, Width));
        parameters.Add("norm.gamma", new Shape(Width));
        parameters.Add("norm.beta", new Shape(Width));
        _ = parameters.Values;
        return parameters;
    }

    /// <summary>A convolution, perhaps of a normalised image, which this backend writes to a workspace.</summary>
    private static Plan Record(GpuKernels kernels, Parameters parameters, int images, bool normalised = false)
    {
        var b = new PlanBuilder(kernels, parameters) { Images = images };
        var x = b.Input("x", new Shape(images, Side, Side, Width));
        var norm = normalised ? new Conv2dNorm(b.Parameter("norm.gamma"), b.Parameter("norm.beta"), 8, 1e-5) : null;
        b.Output("y", b.Conv2d(x, b.Parameter("conv.weight"), options: new Conv2dOptions { Norm = norm }));
        var plan = b.Build();
        kernels.Upload(new float[x.Count], plan.Input("x"));
        return plan;
    }
}
