using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Images;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Data;

public sealed class PngFolderTests
{
    private string _folder = null!;

    [SetUp]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("nd-folder-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void ClassesAndImagesComeInOrdinalOrder()
    {
        Save("b/2.png", new Image(2, 1, 1, [5, 6]));
        Save("b/10.PNG", new Image(2, 1, 1, [3, 4]));
        Save("Z/1.png", new Image(2, 1, 1, [1, 2]));
        Directory.CreateDirectory(Path.Combine(_folder, ".hidden"));
        File.WriteAllText(Path.Combine(_folder, "b", "notes.txt"), "not an image");
        ImageDataset set = PngFolder.Load(_folder);
        Assert.That(set.ClassNames, Is.EqualTo(new[] { "Z", "b" }));
        Assert.That(set.Labels.ToArray(), Is.EqualTo(new[] { 0, 1, 1 }));
        Assert.That(set.Channels, Is.EqualTo(1));
        Assert.That(set.Pixels.ToArray(), Is.EqualTo(new byte[] { 1, 2, 3, 4, 5, 6 }));
        Assert.That(PngFolder.Files(_folder), Is.EqualTo(new[] { "Z/1.png", "b/10.PNG", "b/2.png" }.Select(name => Path.Combine(_folder, name))));
        Assert.That((PngFolder.HasClasses(_folder), PngFolder.HasClasses(Path.Combine(_folder, "b"))), Is.EqualTo((true, false)));
        Assert.That(PngFolder.Files(Path.Combine(_folder, "b")).Select(Path.GetFileName), Is.EqualTo(new[] { "10.PNG", "2.png" }));
    }

    [Test]
    public void OneColourImageMakesAllColour()
    {
        Save("a/1.png", new Image(1, 1, 1, [9]));
        Save("a/2.png", new Image(1, 1, 3, [1, 2, 3]));
        Assert.That(PngFolder.Load(_folder).Pixels.ToArray(), Is.EqualTo(new byte[] { 9, 9, 9, 1, 2, 3 }));
    }

    [Test]
    public void AnotherSizeNamesTheFileAndBothSizes()
    {
        Save("a/1.png", new Image(2, 1, 1, [9, 9]));
        string odd = Save("b/2.png", new Image(1, 3, 1, [1, 2, 3]));
        Assert.That(() => PngFolder.Load(_folder),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains(odd).And.Message.Contains("1 x 3").And.Message.Contains("2 x 1"));
    }

    [Test]
    public void EmptyFoldersAreErrors()
    {
        Assert.That(() => PngFolder.Load(_folder), Throws.TypeOf<InvalidDataException>().With.Message.Contains("sub-folders"));
        Directory.CreateDirectory(Path.Combine(_folder, "a"));
        Assert.That(() => PngFolder.Load(_folder), Throws.TypeOf<InvalidDataException>().With.Message.Contains("holds no PNG"));
        Assert.That(() => PngFolder.Load(Path.Combine(_folder, "absent")), Throws.InstanceOf<IOException>().With.Message.Contains("absent"));
    }

    [Test]
    public void LoadsAFlatFolder()
    {
        Save("2.png", new Image(1, 1, 1, [2]));
        Save("1.png", new Image(1, 1, 1, [1]));
        ImageDataset set = PngFolder.LoadUnlabelled(_folder + Path.DirectorySeparatorChar);
        Assert.That(set.Pixels.ToArray(), Is.EqualTo(new byte[] { 1, 2 }));
        Assert.That(set.ClassNames, Is.EqualTo(new[] { Path.GetFileName(_folder) }));
    }

    private string Save(string name, Image image)
    {
        string path = Path.Combine(_folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        PngWriter.Write(path, image);
        return path;
    }
}
