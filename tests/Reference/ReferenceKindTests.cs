using NUnit.Framework;

namespace NativeDiffusion.Tests.Reference;

/// <summary>No file of the reference cases is passed over in silence.</summary>
[TestFixture]
[Category("Reference")]
internal sealed class ReferenceKindTests
{
    private static IEnumerable<ReferenceCase> Cases => ReferenceCase.All;

    [TestCaseSource(nameof(Cases))]
    public void Every_file_has_a_test(ReferenceCase reference)
    {
        string? kind = reference.Kind;
        if (kind is not null && ReferenceKinds.Awaited.Contains(kind)) Assert.Ignore($"Nothing runs cases of the kind '{kind}' yet.");
        Assert.That(kind is not null && ReferenceKinds.Run.Contains(kind), $"{reference.Path} is of an unknown kind: {kind ?? "neither its configuration nor its tensors say which"}.");
    }

    [Test]
    public void A_file_of_an_unknown_kind_is_noticed()
    {
        string folder = Directory.CreateTempSubdirectory("nd-reference-").FullName;
        try
        {
            string path = Path.Combine(folder, "new.safetensors");
            NativeDiffusion.Runtime.Checkpoints.SafetensorsWriter.Write(path, [], new Dictionary<string, string> { ["config"] = """{"kind":"telepathy"}""" });
            File.WriteAllText(Path.Combine(folder, "README.md"), "Not a case.");
            File.WriteAllText(Path.Combine(folder, "sums.csv"), "1,2");
            Assert.That(ReferenceCase.In(folder).Select(c => c.Kind ?? "none"), Is.EqualTo(new[] { "telepathy", "none" }));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void A_kind_is_run_or_awaited_not_both() => Assert.That(ReferenceKinds.Run.Intersect(ReferenceKinds.Awaited), Is.Empty);
}
