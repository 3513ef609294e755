using System.Diagnostics;
using System.Runtime.CompilerServices;
using NativeDiffusion.Pictures;
using NativeDiffusion.Tests.Onnx;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Packaging;

/// <summary>The programs under examples/, run as a user would.</summary>
[TestFixture]
public sealed class ExampleTests
{
    [Test]
    public void One_example_trains_a_model_and_the_others_sample()
    {
        string folder = Directory.CreateTempSubdirectory("nd-examples").FullName;
        try
        {
            string model = Path.Combine(folder, "model.safetensors"), picture = Path.Combine(folder, "digits.png");
            Assert.That(Run("TrainDigits", model, "3"), Does.Contain("Wrote"));
            Assert.That(Run("SampleDigits", model, picture), Does.Contain("50 digits"));
            Assert.That(Run("EluCd", Path.Combine(folder, "elucd.png"), "2"), Does.Contain("30 digits"));
            Assert.That(Run("ClassifierGuidance", Path.Combine(folder, "classifier.png"), "2"), Does.Contain("30 digits"));
            Assert.That(Run("OwnGuider", Path.Combine(folder, "own.png"), "2"), Does.Contain("30 digits"));
            OnnxFile.Classifier(1, 28, 10).Save(Path.Combine(folder, "classifier.onnx"));
            Assert.That(Run("OnnxGuide", Path.Combine(folder, "classifier.onnx"), Path.Combine(folder, "onnx.png"), "2"), Does.Contain("10 digits"));
            Assert.That(PictureReader.Read(Path.Combine(folder, "classifier.png")).Width, Is.GreaterThan(10 * 28));
            Assert.That(PictureReader.Read(Path.Combine(folder, "elucd.png")).Width, Is.GreaterThan(10 * 28));
            var image = PictureReader.Read(picture);
            Assert.That(image.Width, Is.GreaterThan(5 * 28));
            Assert.That(image.Height, Is.GreaterThan(10 * 28));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void Examples_are_at_most_sixty_lines()
    {
        foreach (string name in new[] { "TrainDigits", "SampleDigits", "EluCd", "ClassifierGuidance", "OwnGuider", "OnnxGuide", "WebService" })
            Assert.That(File.ReadLines(Path.Combine(ProcessRun.Repository(), "examples", name, "Program.cs")).Count(), Is.LessThanOrEqualTo(60), name);
    }

    private static string Run(string example, params string[] arguments)
    {
        string configuration = Path.GetFileName(Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)))!;
        string program = Path.Combine(ProcessRun.Repository(), "examples", example, "bin", configuration, "net10.0", example + ".dll");
        return ProcessRun.Dotnet(ProcessRun.Repository(), [program, .. arguments]);
    }
}

/// <summary>Runs the dotnet host and returns what it printed; fails the test when it fails.</summary>
internal static class ProcessRun
{
    /// <summary>The repository's root, from where this file was compiled.</summary>
    public static string Repository([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", ".."));

    public static string Dotnet(string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        // A build inside a test run must not leave servers behind that hold the output open.
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.Zero, $"dotnet {string.Join(' ', arguments)}\n{output}\n{error.Result}");
        return output;
    }
}
