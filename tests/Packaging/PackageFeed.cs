using System.IO.Compression;
using System.Xml.Linq;

namespace NativeDiffusion.Tests.Packaging;

/// <summary>The packages in a folder of their own, and projects outside the repository that install them from there.</summary>
internal sealed class PackageFeed : IDisposable
{
    public const string RepositoryUrl = "https://example.org/owner/native-diffusion";

    private static readonly string[] Projects = ["Kernels", "Kernels.Gpu", "Runtime", "Model", "Pictures", "Onnx", "Digits", "NativeDiffusion"];

    private readonly string _folder = Directory.CreateTempSubdirectory("nd-packages").FullName;

    /// <summary>Packs what was built.</summary>
    /// <param name="more">Projects beside the libraries.</param>
    public PackageFeed(params string[] more)
    {
        string projects = string.Join(';', Projects.Concat(more).Select(p => Path.Combine(ProcessRun.Repository(), "src", p, p + ".csproj")));
        File.WriteAllText(In("pack.proj"),
            $"""
            <Project>
              <Target Name="Pack"><MSBuild Projects="{projects}" Targets="Pack" BuildInParallel="true" Properties="NoBuild=true;_IsPacking=true;Configuration={Configuration};PackageOutputPath={Folder};RepositoryUrl={RepositoryUrl}" /></Target>
            </Project>
            """);
        ProcessRun.Dotnet(_folder, "msbuild", "pack.proj", "-t:Pack", "-nologo", "-v:q", "-nr:false");
    }

    public static string Configuration => Path.GetFileName(Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)))!;

    public string Folder => In("feed");

    public IEnumerable<string> Packages => Directory.GetFiles(Folder, "*.nupkg").Select(Path.GetFileName).Order(StringComparer.Ordinal)!;

    public string Version => PathOf("NativeDiffusion.Model")[(Path.Combine(Folder, "NativeDiffusion.Model.").Length)..^".nupkg".Length];

    public string PathOf(string package, string extension = "nupkg") => Directory.GetFiles(Folder, $"{package}.*.{extension}").Single(path => char.IsDigit(Path.GetFileName(path)[package.Length + 1]));

    public string[] FilesOf(string package)
    {
        using var zip = ZipFile.OpenRead(PathOf(package));
        return [.. zip.Entries.Select(e => e.FullName)];
    }

    /// <summary>The manifest of a package, without its namespace.</summary>
    public XElement ManifestOf(string package)
    {
        using var zip = ZipFile.OpenRead(PathOf(package));
        using var stream = zip.Entries.Single(e => e.FullName == package + ".nuspec").Open();
        var metadata = XDocument.Load(stream).Root!.Elements().Single();
        foreach (var element in metadata.DescendantsAndSelf()) element.Name = element.Name.LocalName;
        return metadata;
    }

    /// <summary>A project that references a package, in a folder of its own.</summary>
    public string CreateProject(string package, string program)
    {
        string app = In("app"), machine = Environment.GetEnvironmentVariable("NUGET_PACKAGES") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        Directory.CreateDirectory(app);
        // Its own package folder, so that an older build of the same version in the user's is not taken; what others made comes from there, since it was needed for this build.
        File.WriteAllText(Path.Combine(app, "nuget.config"),
            $"""
            <configuration>
              <config><add key="globalPackagesFolder" value="{In("cache")}" /></config>
              <fallbackPackageFolders><clear /><add key="machine" value="{machine}" /></fallbackPackageFolders>
              <packageSources><clear /><add key="local" value="{Folder}" /></packageSources>
            </configuration>
            """);
        File.WriteAllText(Path.Combine(app, "app.csproj"),
            $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup><OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework><ImplicitUsings>enable</ImplicitUsings><Nullable>enable</Nullable></PropertyGroup>
              <ItemGroup><PackageReference Include="{package}" Version="{Version}" /></ItemGroup>
            </Project>
            """);
        File.WriteAllText(Path.Combine(app, "Program.cs"), program);
        return app;
    }

    public string In(string name) => Path.Combine(_folder, name);

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
