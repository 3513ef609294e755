using NUnit.Framework;

namespace NativeDiffusion.Tests.Gpu;

/// <summary>Leaves out most tests on a device that is too slow for all of them: ILGPU's simulation, unless it was asked for by name.</summary>
internal static class DeviceSelection
{
    /// <summary>One in so many runs.</summary>
    public const int Every = 16;

    private static readonly Dictionary<string, int> Seen = [];

    /// <summary>Ends a test that is not selected.</summary>
    public static void Require(string device, bool selected)
    {
        if (!selected && GpuUnderTest.IsSelective(device)) Assert.Ignore($"Left out on the slow {device}; ND_GPU_DEVICE={device} runs all.");
    }

    /// <summary>Selects the running test if it is the first, the seventeenth and so on of its method.</summary>
    public static void SkipMost(string device)
    {
        string method = TestContext.CurrentContext.Test.ClassName + TestContext.CurrentContext.Test.MethodName;
        int seen = Seen.GetValueOrDefault(method);
        Seen[method] = seen + 1;
        Require(device, seen % Every == 0);
    }
}
