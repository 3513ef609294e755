using NUnit.Framework;

namespace NativeDiffusion.Tests.Pictures;

/// <summary>Pictures of every kind, made and decoded by other programs: tests/Pictures/Data/README.md.</summary>
internal static class PictureFiles
{
    public static string Folder => Path.Combine(TestContext.CurrentContext.TestDirectory, "Pictures", "Data");

    public static string PathOf(string name) => Path.Combine(Folder, name);
}
