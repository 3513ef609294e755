using System.Diagnostics;
using System.Runtime.InteropServices;
using NativeDiffusion.Kernels;
using NativeDiffusion.Pictures;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Packaging;

/// <summary>Programs as they are given to others: trimmed, natively compiled, installed as a tool. Each takes minutes.</summary>
[Explicit("many minutes"), Category("Publish")]
public sealed class PublishTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("nd-publish").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void An_example_is_published_without_warnings_and_samples([Values("PublishTrimmed", "PublishAot")] string how)
    {
        string program = Publish(Path.Combine("examples", "SampleDigits"), "SampleDigits", how);
        Assert.That(Run(program, Model, Picture), Does.Contain("50 digits"));
        Assert.That(PictureReader.Read(Picture).Width, Is.GreaterThan(5 * 28));
    }

    [Test]
    public void The_tool_is_published_without_warnings_and_samples_by_vectors_of_the_usual_width([Values("PublishTrimmed", "PublishAot")] string how)
    {
        string program = Publish(Path.Combine("src", "Cli"), "nativediffusion", how);
        var begin = Stopwatch.GetTimestamp();
        Assert.That(Run(program, "--version"), Does.StartWith("nativediffusion"));
        TestContext.Out.WriteLine($"starts in {Stopwatch.GetElapsedTime(begin).TotalMilliseconds:0} ms");
        using (var kernels = new CpuKernels(1)) Assert.That(Run(program, "devices"), Does.Contain(kernels.DeviceName));
        Assert.That(Run(program, "sample", "--classes", "3", "--w", "2", "--json", "--out", Picture), Does.Contain("\"passes\": 20"));
        Assert.That(PictureReader.Read(Picture).Width, Is.GreaterThan(28));
        Assert.That(Run(program, "info", Model), Does.Contain("diffusion model"));
        Assert.That(Run(program, "classify", Sample(program), "--json"), Does.Contain("\"mean_probability\""));
    }

    [Test]
    public void The_tool_is_installed_from_its_package_and_samples()
    {
        using var feed = new PackageFeed("Cli");
        string tools = Path.Combine(_folder, "tools");
        ProcessRun.Dotnet(_folder, "tool", "install", "NativeDiffusion.Cli", "--tool-path", tools, "--source", feed.Folder, "--version", feed.Version, "--no-cache");
        TestContext.Out.WriteLine($"its package has {new FileInfo(feed.PathOf("NativeDiffusion.Cli")).Length / 1e6:0.0} MB");
        Run(Path.Combine(tools, "nativediffusion"), "sample", "--classes", "3", "--out", Picture);
        Assert.That(PictureReader.Read(Picture).Width, Is.GreaterThan(28));
    }

    private static string Model => Path.Combine(ProcessRun.Repository(), "models", "digits.safetensors");

    private string Picture => Path.Combine(_folder, "picture.png");

    private string Sample(string program)
    {
        string samples = Path.Combine(_folder, "samples.npz");
        Run(program, "sample", "--classes", "3", "--w", "2", "--out", samples);
        return samples;
    }

    private string Publish(string project, string name, string how)
    {
        string output = Path.Combine(_folder, "out");
        string report = ProcessRun.Dotnet(ProcessRun.Repository(),
        [
            "publish", project, "-c", "Release", "-r", RuntimeInformation.RuntimeIdentifier, $"-p:{how}=true", "-p:RunAnalyzers=false", "-nologo", "--artifacts-path", Path.Combine(_folder, "artifacts"), "-o", output,
            .. how == "PublishAot" ? ["-p:IlcInstructionSet=native"] : new[] { "--self-contained" },
        ]);
        Assert.That(report, Does.Not.Contain("warning"));
        TestContext.Out.WriteLine($"{name}, {how}: program {new FileInfo(Path.Combine(output, name)).Length / 1e6:0.0} MB, folder without symbols and documentation "
            + $"{Directory.GetFiles(output, "*", SearchOption.AllDirectories).Where(f => Path.GetExtension(f) is not (".pdb" or ".dbg" or ".xml")).Sum(f => new FileInfo(f).Length) / 1e6:0.0} MB");
        return Path.Combine(output, name);
    }

    private static string Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.Zero, $"{program} {string.Join(' ', arguments)}\n{output}\n{error.Result}");
        return output;
    }
}
