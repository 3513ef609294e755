using NUnit.Framework;

namespace NativeDiffusion.Tests.Packaging;

/// <summary>The packages, used by a project outside the repository that restores them from a folder.</summary>
[TestFixture]
public sealed class PackageTests
{
    [Test]
    public void An_outside_project_restores_the_packages_from_a_folder_and_runs()
    {
        string folder = Directory.CreateTempSubdirectory("nd-packages").FullName, repository = ProcessRun.Repository();
        try
        {
            string configuration = Path.GetFileName(Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)))!;
            foreach (string project in new[] { "Kernels", "Runtime", "Model" })
                ProcessRun.Dotnet(repository, "pack", Path.Combine("src", project), "-c", configuration, "--no-build", "-o", Path.Combine(folder, "feed"), "-nologo");
            string version = Path.GetFileNameWithoutExtension(Directory.GetFiles(Path.Combine(folder, "feed"), "NativeDiffusion.Model.*.nupkg").Single())["NativeDiffusion.Model.".Length..];

            string app = Path.Combine(folder, "app");
            Directory.CreateDirectory(app);
            // Its own package folder, so that an older build of the same version in the user's cache is not taken.
            File.WriteAllText(Path.Combine(app, "nuget.config"),
                $"""
                <configuration>
                  <config><add key="globalPackagesFolder" value="{Path.Combine(folder, "cache")}" /></config>
                  <packageSources><add key="local" value="{Path.Combine(folder, "feed")}" /></packageSources>
                </configuration>
                """);
            File.WriteAllText(Path.Combine(app, "app.csproj"),
                $"""
                <Project Sdk="Microsoft.NET.Sdk">
                  <PropertyGroup><OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework><ImplicitUsings>enable</ImplicitUsings></PropertyGroup>
                  <ItemGroup><PackageReference Include="NativeDiffusion.Model" Version="{version}" /></ItemGroup>
                </Project>
                """);
            File.WriteAllText(Path.Combine(app, "Program.cs"),
                """
                using NativeDiffusion.Kernels;
                using NativeDiffusion.Model;
                using NativeDiffusion.Model.Networks;
                using NativeDiffusion.Model.Sampling;

                var network = new UNetConfig { ImageSize = 8, InChannels = 1, OutChannels = 1, ModelChannels = 8, NormGroups = 4, NumResBlocks = 1, ChannelMult = [1, 2], NumClasses = 3 };
                using var model = new DiffusionModel(network, new DiffusionSettings { ClassNames = ["a", "b"] });
                using var sampler = new GuidedSampler(model, new SamplerSettings { Steps = 3 });
                var images = sampler.Sample([new SampleRequest(0, (GuidanceScale)new GuidanceStrength(1), 0)]);
                Console.WriteLine($"sampled {images.Length} of {images[0].Width}x{images[0].Height} on {CpuKernels.LaneCount} lanes");
                """);
            Assert.That(ProcessRun.Dotnet(app, "run", "-c", "Release"), Does.Contain("sampled 1 of 8x8"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
