using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Pictures;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Pictures.Folders;

public sealed class PictureFolderTests
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
        ImageDataset set = PictureFolder.Open(_folder).Load();
        Assert.That(set.ClassNames, Is.EqualTo(new[] { "Z", "b" }));
        Assert.That(set.Labels.ToArray(), Is.EqualTo(new[] { 0, 1, 1 }));
        Assert.That(set.Channels, Is.EqualTo(1));
        Assert.That(set.Pixels.ToArray(), Is.EqualTo(new byte[] { 1, 2, 3, 4, 5, 6 }));
        var folder = PictureFolder.Open(_folder);
        Assert.That(folder.Files.Select(file => Path.GetRelativePath(_folder, file)), Is.EqualTo(new[] { "Z/1.png", "b/10.PNG", "b/2.png" }));
        Assert.That(folder.LeftOut, Is.EqualTo(new[] { new LeftOutPicture("b/notes.txt", "it is no picture but a text file") }));
    }

    [Test]
    public void OneColourImageMakesAllColour()
    {
        Save("a/1.png", new Image(1, 1, 1, [9]));
        Save("a/2.png", new Image(1, 1, 3, [1, 2, 3]));
        Assert.That(PictureFolder.Open(_folder).Load().Pixels.ToArray(), Is.EqualTo(new byte[] { 9, 9, 9, 1, 2, 3 }));
    }

    [Test]
    public void GivenASizeAllAreBroughtToIt()
    {
        // The shorter side is one pixel already; of the longer the middle stays.
        Save("a/1.png", new Image(3, 1, 1, [1, 7, 9]));
        Save("b/2.png", new Image(1, 3, 1, [2, 5, 4]));
        Assert.That(PictureFolder.Open(_folder).Load(1).Pixels.ToArray(), Is.EqualTo(new byte[] { 7, 5 }));
        var source = PictureSource.Open(_folder, 1);
        Assert.That((source.Height, source.Width, source.Count), Is.EqualTo((1, 1, 2)));
        Assert.That(source.Batches(2).Single().Pixels.ToArray(), Is.EqualTo(new byte[] { 7, 5 }));
        Assert.That(PictureSource.Open(Path.Combine(_folder, "a", "1.png"), 1).Batches(1).Single().Pixels.ToArray(), Is.EqualTo(new byte[] { 7 }));
        Assert.That(() => PictureFolder.Open(_folder).Load(0), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => PictureSource.Open(_folder, 0), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void AnotherSizeNamesTheFileAndBothSizes()
    {
        Save("a/1.png", new Image(2, 1, 1, [9, 9]));
        string odd = Save("b/2.png", new Image(1, 3, 1, [1, 2, 3]));
        Assert.That(() => PictureFolder.Open(_folder).Load(),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains(odd).And.Message.Contains("1 x 3").And.Message.Contains("2 x 1"));
    }

    [Test]
    public void EmptyFoldersAreErrorsAndNoClasses()
    {
        Assert.That(() => PictureFolder.Open(_folder), Throws.TypeOf<InvalidDataException>().With.Message.Contains("holds no picture"));
        Directory.CreateDirectory(Path.Combine(_folder, "a"));
        Assert.That(() => PictureFolder.Open(_folder), Throws.TypeOf<InvalidDataException>().With.Message.Contains("'a/'").And.Message.Contains("no class"));
        Assert.That(() => PictureFolder.Open(Path.Combine(_folder, "absent")), Throws.InstanceOf<IOException>().With.Message.Contains("absent"));
        Save("b/1.png", new Image(1, 1, 1, [9]));
        Assert.That(PictureFolder.Open(_folder).ClassNames, Is.EqualTo(new[] { "b" }));
    }

    [Test]
    public void AFlatFolderHasNoClasses()
    {
        Save("2.png", new Image(1, 1, 1, [2]));
        Save("1.png", new Image(1, 1, 1, [1]));
        var folder = PictureFolder.Open(_folder + Path.DirectorySeparatorChar);
        Assert.That((folder.Count, folder.ClassNames.Count), Is.EqualTo((2, 0)));
        ImageDataset set = folder.Load();
        Assert.That(set.Pixels.ToArray(), Is.EqualTo(new byte[] { 1, 2 }));
        Assert.That(set.ClassNames, Is.EqualTo(new[] { Path.GetFileName(_folder) }));
    }

    [Test]
    public void PicturesAreFoundByWhatTheyAreAndOthersAreTold()
    {
        Save("a/deep/er/1.png", new Image(1, 1, 1, [9]));
        File.Copy(Path.Combine(PictureFiles.Folder, "grey.jpg"), Path.Combine(_folder, "a", "no-ending"));
        File.Copy(Path.Combine(PictureFiles.Folder, "grey.jpg"), Path.Combine(_folder, "loose.jpg"));
        File.WriteAllBytes(Path.Combine(_folder, "a", "clip.mov"), [0, 0, 0, 20, .. "ftypqt  "u8]);
        File.WriteAllBytes(Path.Combine(_folder, "a", "IMG_1.heic"), [0, 0, 0, 20, .. "ftypheic"u8]);
        var folder = PictureFolder.Open(_folder);
        Assert.That(folder.Files.Select(Path.GetFileName), Is.EqualTo(new[] { "IMG_1.heic", "no-ending", "1.png" }), "what people take for a picture is one, and fails with its name");
        Assert.That(folder.LeftOut.Select(l => (l.Name, l.Why)), Is.EquivalentTo(new[] { ("loose.jpg", "it lies beside the folders of the classes"), ("a/clip.mov", "it is no picture but a video or other media file") }));
    }

    private string Save(string name, Image image)
    {
        string path = Path.Combine(_folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        PngWriter.Write(path, image);
        return path;
    }
}
