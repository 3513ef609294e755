using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using System.Text.RegularExpressions;
using ILGPU;
using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Gpu;

/// <summary>
/// The PTX of every kernel holds nothing that takes a NaN for a number. ILGPU 1.5.3 makes an ordered comparison an unordered one when it moves a constant to the
/// right, and PTX's min and max return the number where the other operand is NaN (docs/gpu.md, "NaN").
/// </summary>
[TestFixture]
public sealed partial class PtxTests
{
    private const string Remedy =
        """
        In the kernel's source, or in what it calls:
          min, max       ScalarMath.Min and Max, or those of the lanes, with a constant as the first argument; not IntrinsicMath's on floats
          an unordered   comparison had a constant on its left (0f > x): put it on the right (x < 0f; SelectGreater(x, 0, ...)). Where there is none, ILGPU has inverted
          comparison     the condition of a branch: let the comparison select a number, and branch by that (VariationalBoundElement.End)
        """;

    [Test]
    public void No_kernel_takes_a_nan_for_a_number()
    {
        string[] findings = [.. Findings([.. GpuKernelTypes.All])];
        Assert.That(findings, Is.Empty, $"{findings.Length} instructions lose a NaN:\n{string.Join('\n', findings.Take(20))}\n{Remedy}");
    }

    [Test]
    public void A_kernel_that_does_is_found()
    {
        string[] findings = [.. Findings([typeof(CarelessKernel)])];
        Assert.That(findings, Has.Length.EqualTo(2));
        Assert.That(findings, Has.Some.Matches(@"CarelessKernel \(.*PtxTests\.cs\), line \d+ of its PTX: setp\.ltu\.f32 .*, 0f3F800000"));
        Assert.That(findings, Has.Some.Matches(@"CarelessKernel .*: max\.f32 "));
    }

    [Test]
    public void Devices_newer_than_sm_80_get_its_text([Values("sm_86", "sm_90", "sm_100", "sm_120", "sm_121")] string architecture)
    {
        Assert.That(GpuKernelList.Architectures, Does.Contain(architecture));
        // Names have a number that differs from run to run.
        string Text(string name) => Regex.Replace(GpuKernelList.Compile(name, [typeof(FillKernel)]).Single().Ptx, @"(?<=kernel|L)_\d+", "");
        string text = Text(architecture);
        Assert.That(text, Does.Contain(".target sm_80"));
        Assert.That(text, Is.EqualTo(Text("sm_80")));
    }

    [Test]
    public void An_unknown_architecture_is_an_error_that_lists_all([Values("sm_30", "sm_85", "sm_999", "sm_", "80", "compute_80")] string architecture) =>
        Assert.That(
            () => GpuKernelList.Compile(architecture),
            Throws.TypeOf<DeviceException>().With.Message.Contains($"'{architecture}'").And.Message.Contains("sm_50, ").And.Message.EndsWith("sm_121."));

    // Equal and not equal are the same in either order.
    [GeneratedRegex(@"^\s*((setp\.(lt|le|gt|ge)u|min|max)\.f(32|64)\s.*?);?\s*$")]
    private static partial Regex LosesNan();

    private static IEnumerable<string> Findings(Type[] kernels) =>
        from kernel in kernels.Zip(GpuKernelList.Compile("sm_80", kernels))
        from line in kernel.Second.Ptx.Split('\n').Index()
        where LosesNan().IsMatch(line.Item)
        select $"{kernel.Second.Name} ({Source(kernel.First)}), line {line.Index + 1} of its PTX: {line.Item.Trim().Replace('\t', ' ')}";

    /// <summary>The last parts of the name of the file that a kernel stands in.</summary>
    private static string Source(Type kernel)
    {
        var method = kernel.GetMethod(nameof(IGpuKernel.Run))!;
        using var image = new PEReader(File.OpenRead(kernel.Assembly.Location));
        var embedded = image.ReadDebugDirectory().FirstOrDefault(entry => entry.Type == DebugDirectoryEntryType.EmbeddedPortablePdb);
        if (embedded.DataSize == 0) return "source unknown";
        using var symbols = image.ReadEmbeddedPortablePdbDebugDirectoryData(embedded);
        var reader = symbols.GetMetadataReader();
        var document = reader.GetMethodDebugInformation(((MethodDefinitionHandle)MetadataTokens.EntityHandle(method.MetadataToken)).ToDebugInformationHandle()).Document;
        return document.IsNil ? "source unknown" : string.Join('/', reader.GetString(reader.GetDocument(document).Name).Split('/', '\\').TakeLast(3));
    }

    public struct CarelessKernel : IGpuKernel
    {
        public ArrayView<float> X;

        public readonly void Run()
        {
            X[0] = 1f > X[1] ? 2f : 3f;
            X[2] = IntrinsicMath.Max(X[3], 0f);
        }
    }
}
