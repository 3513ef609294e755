using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Kernels;

public sealed class MemoryLimitTests
{
    private string _root = "";

    [SetUp]
    public void CreateFolder() => _root = Directory.CreateTempSubdirectory("nd-groups-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_root, recursive: true);

    [TestCase("0::/a/b", "a/memory.max", "1000000", 1000000)]
    [TestCase("0::/", "memory.max", "2000000", 2000000)]
    [TestCase("0::/host/only", "memory.max", "3000000", 3000000)]
    [TestCase("5:cpu,memory:/job", "memory/job/memory.limit_in_bytes", "4000000", 4000000)]
    [TestCase("0::/a", "a/memory.max", "max", null)]
    [TestCase("5:memory:/", "memory/memory.limit_in_bytes", "9223372036854771712", null)]
    [TestCase("nothing", "memory.max", "5", null)]
    public void The_groups_limit_counts(string membership, string file, string limit, long? expected)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(_root, file))!);
        File.WriteAllText(Path.Combine(_root, file), limit + "\n");
        File.WriteAllText(Path.Combine(_root, "of-process"), membership + "\n");
        Assert.That(MemoryLimit.OfGroups(_root, Path.Combine(_root, "of-process")), Is.EqualTo(expected));
    }
}
