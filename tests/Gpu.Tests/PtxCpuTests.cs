using NUnit.Framework;

namespace NativeDiffusion.Tests.Gpu;

/// <summary>
/// The GPU tests through ILGPU's CUDA backend, without a GPU: child processes that find tests/PtxCpu, a stand-in for NVIDIA's driver that interprets PTX. Needs a
/// C++ compiler (CXX names one; otherwise c++, g++ or clang++).
/// </summary>
[TestFixture]
[Explicit("Interprets PTX: the selection takes under a minute, all of it ten.")]
public sealed class PtxCpuTests
{
    // Every op once with a NaN in it, and what has tests of its own and is quick.
    private const string Selected = "Name~Nan_is_where_it_is_on_the_cpu|Name~What_is_not_finite|FullyQualifiedName~NoiseGpuTests|FullyQualifiedName~GuidedStepGpuTests"
        + "|FullyQualifiedName~OptimizerGpuTests|FullyQualifiedName~CudaLauncherTests";

    [Test, Category("PtxCpuSelection")]
    public void Selected_tests_pass() => Run(Selected, TimeSpan.FromMinutes(10));

    [Test, Category("PtxCpuSelection")]
    public void Plans_run_where_the_driver_refuses_graphs() =>
        Run("Name~A_plan_is_started_as_a_graph", TimeSpan.FromMinutes(5), ("PTX_CPU_NO_GRAPHS", "1"));

    [Test, Category("PtxCpu")]
    public void Every_test_passes() => Run("FullyQualifiedName!~PtxTests&FullyQualifiedName!~PtxCpuTests&FullyQualifiedName!~OpenClTests", TimeSpan.FromHours(2));

    private static void Run(string filter, TimeSpan limit, params (string Name, string Value)[] settings)
    {
        if (!OperatingSystem.IsLinux()) Assert.Ignore("The stand-in is found as libcuda.so.1, on Linux only.");
        string folder = Path.Combine(TestContext.CurrentContext.TestDirectory, "ptx-cpu");
        Build(folder);
        var environment = new Dictionary<string, string?>
        {
            ["LD_LIBRARY_PATH"] = folder + ":" + Environment.GetEnvironmentVariable("LD_LIBRARY_PATH"),
            ["ND_GPU_DEVICE"] = "cuda:0",
            ["ND_PTX_CACHE"] = Path.Combine(folder, "ptx"),
        };
        foreach (var (name, value) in settings) environment[name] = value;
        ChildRun.Of(filter, environment, limit);
    }

    private static void Build(string folder)
    {
        Directory.CreateDirectory(folder);
        File.Delete(Path.Combine(folder, "libcuda.so"));
        string source = Path.Combine(TestContext.CurrentContext.TestDirectory, "PtxCpu", "libcuda.cpp");
        string[] compilers = Environment.GetEnvironmentVariable("CXX") is { Length: > 0 } named ? [named] : ["c++", "g++", "clang++"];
        // As a driver's own installation has it, without the name that development packages add. Without contraction a product is rounded before its sum, as the PTX says.
        string[] arguments = ["-O2", "-std=c++17", "-shared", "-fPIC", "-ffp-contract=off", "-o", Path.Combine(folder, "libcuda.so.1"), source];
        foreach (string compiler in compilers)
        {
            try
            {
                var (code, report) = ChildRun.Start(compiler, arguments, [], TimeSpan.FromMinutes(5));
                Assert.That(code, Is.Zero, $"{compiler}:\n{report}");
                return;
            }
            catch (System.ComponentModel.Win32Exception)
            {
                // Not there: the next one.
            }
        }
        Assert.Ignore($"There is no C++ compiler here (tried {string.Join(", ", compilers)}); CXX may name one. The GPU tests were not run on the stand-in for CUDA.");
    }
}
