using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Packaging;

/// <summary>
/// What other programs may call, one line each, beside a committed listing: a change that breaks them is seen in review. <c>ND_UPDATE_API=1</c> writes the listings anew.
/// </summary>
public sealed class PublicApiTests
{
    private static readonly string[] Libraries = ["NativeDiffusion.Kernels", "NativeDiffusion.Kernels.Gpu", "NativeDiffusion.Runtime", "NativeDiffusion.Model", "NativeDiffusion.Pictures", "NativeDiffusion.Onnx"];

    [TestCaseSource(nameof(Libraries))]
    public void It_is_the_committed_one(string library)
    {
        string path = Path.Combine(ProcessRun.Repository(), "tests", "Packaging", "PublicApi", library + ".txt");
        if (library == "NativeDiffusion.Kernels.Gpu" && !GpuDevices.IsBuiltIn) Assert.Ignore("Built without ILGPU, it has a part of its members.");
        string[] now = [.. PublicApi.Of(System.Reflection.Assembly.Load(library))];
        if (Environment.GetEnvironmentVariable("ND_UPDATE_API") == "1") File.WriteAllText(path, string.Join('\n', now) + "\n");
        string[] committed = File.ReadAllLines(path);
        Assert.That(committed.Except(now), Is.Empty, "removed or changed, which breaks programs: note it in CHANGELOG.md, and write the listings anew by ND_UPDATE_API=1 dotnet test --filter PublicApiTests");
        Assert.That(now.Except(committed), Is.Empty, "new; write the listings anew by ND_UPDATE_API=1 dotnet test --filter PublicApiTests");
    }
}
