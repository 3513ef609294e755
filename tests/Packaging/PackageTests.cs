using System.IO.Compression;
using System.Reflection.Metadata;
using System.Text.RegularExpressions;
using NativeDiffusion.Pictures;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Packaging;

/// <summary>The packages: what is said of them and in them, and a project outside the repository that installs them from a folder.</summary>
[TestFixture]
public sealed class PackageTests
{
    private static readonly string[] Libraries = ["NativeDiffusion.Kernels", "NativeDiffusion.Kernels.Gpu", "NativeDiffusion.Model", "NativeDiffusion.Runtime"];

    private PackageFeed _feed = null!;

    [OneTimeSetUp]
    public void Pack() => _feed = new PackageFeed();

    [OneTimeTearDown]
    public void Delete() => _feed.Dispose();

    [Test]
    public void Each_says_what_it_is_and_where_it_comes_from()
    {
        string[] packages = [.. Libraries, "NativeDiffusion", "NativeDiffusion.Digits", "NativeDiffusion.Pictures", "NativeDiffusion.Onnx"];
        Assert.That(_feed.Packages, Is.EquivalentTo(packages.Select(p => $"{p}.{_feed.Version}.nupkg")));
        foreach (string package in packages)
        {
            var manifest = _feed.ManifestOf(package);
            Assert.That(manifest.Element("license")?.Value, Is.EqualTo("MIT"), package);
            Assert.That(manifest.Element("description")?.Value, Is.Not.Empty.And.Not.EqualTo("Package Description"), package);
            Assert.That(manifest.Element("tags")?.Value, Does.Contain("diffusion"), package);
            Assert.That(manifest.Element("repository")?.Attribute("url")?.Value, Is.EqualTo(PackageFeed.RepositoryUrl), package);
            Assert.That(_feed.FilesOf(package), Is.SupersetOf(new[] { manifest.Element("icon")!.Value, manifest.Element("readme")!.Value }), package);
        }
    }

    [Test]
    public void One_brings_the_rest()
    {
        var dependencies = _feed.ManifestOf("NativeDiffusion").Descendants("dependency").Select(d => d.Attribute("id")!.Value);
        Assert.That(dependencies, Is.SupersetOf(Libraries.Append("NativeDiffusion.Digits")));
        Assert.That(dependencies, Has.None.EqualTo("NativeDiffusion.Pictures"), "native code comes to those who ask for it");
        Assert.That(_feed.FilesOf("NativeDiffusion"), Has.None.EndsWith(".dll"));
        Assert.That(_feed.FilesOf("NativeDiffusion.Digits"), Is.SupersetOf(new[] { "models/digits.safetensors", "buildTransitive/NativeDiffusion.Digits.targets" }));
    }

    [Test]
    public void Libraries_have_documentation_symbols_and_no_native_code()
    {
        foreach (string package in Libraries)
        {
            string[] files = _feed.FilesOf(package);
            Assert.That(files, Is.SupersetOf(new[] { $"lib/net10.0/{package}.dll", $"lib/net10.0/{package}.xml" }));
            Assert.That(files, Has.None.StartsWith("runtimes/"));
            using var symbols = ZipFile.OpenRead(_feed.PathOf(package, "snupkg"));
            using var content = new MemoryStream();
            using (var stream = symbols.GetEntry($"lib/net10.0/{package}.pdb")!.Open()) stream.CopyTo(content);
            content.Position = 0;
            using var provider = MetadataReaderProvider.FromPortablePdbStream(content);
            var reader = provider.GetMetadataReader();
            var paths = reader.Documents.Select(d => reader.GetString(reader.GetDocument(d).Name)).ToArray();
            Assert.That(paths, Is.Not.Empty);
            if (PackageFeed.Configuration == "Release") Assert.That(paths, Is.All.StartWith("/_/"), "the same paths wherever it was built");
        }
    }

    [Test]
    public void An_outside_project_installs_them_and_runs_the_sample_of_the_readme()
    {
        string readme = File.ReadAllText(Path.Combine(ProcessRun.Repository(), "README.md")), package = File.ReadAllText(Path.Combine(ProcessRun.Repository(), "src", "PACKAGE.md"));
        string sample = Sample(readme);
        Assert.That(Sample(package), Is.EqualTo(sample));
        string app = _feed.CreateProject("NativeDiffusion", sample);
        ProcessRun.Dotnet(app, "run", "-c", "Release");
        var image = PictureReader.Read(Path.Combine(app, "seven.png"));
        Assert.That((image.Width, image.Height), Is.EqualTo((28, 28)));
        Assert.That(image.Pixels.ToArray().Max(), Is.GreaterThan(200));
    }

    private static string Sample(string page) => Regex.Match(page, "```csharp\n(.*?)```", RegexOptions.Singleline).Groups[1].Value;
}
