using NativeDiffusion.Cli;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Pictures;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cli.Sampling;

internal sealed class SampleStoreTests : CliFixture
{
    private static readonly Image Example = new(3, 2, 1, [1, 2, 3, 4, 5, 6]);

    [Test]
    public void ImagesComeBackUpToTheFirstThatIsNotWhole()
    {
        string path = PathTo("x.part");
        using (var store = SampleStore.Open(path, "run", 7, 4, Example))
        {
            store.Add(2, Example);
            store.Add(0, new Image(3, 2, 1, [9, 9, 9, 9, 9, 9]));
        }
        byte[] whole = File.ReadAllBytes(path);
        File.WriteAllBytes(path, whole[..^1]);
        using (var again = SampleStore.Open(path, "run", 1, 4, Example))
        {
            Assert.That(again.Seed, Is.EqualTo(7));
            Assert.That(again.Images.Keys, Is.EqualTo(new[] { 2 }));
            Assert.That(again.Images[2].Pixels.ToArray(), Is.EqualTo(Example.Pixels.ToArray()));
            again.Add(1, Example);
            Assert.Throws<IOException>(() => SampleStore.Open(path, "run", 1, 4, Example), "open elsewhere");
        }
        Assert.That(Assert.Throws<IOException>(() => SampleStore.Open(path, "other run", 1, 4, Example))!.Message, Does.Contain("another 'sample'"));
        using (var last = SampleStore.Open(path, "run", 1, 4, Example))
        {
            Assert.That(last.Images.Keys, Is.EqualTo(new[] { 2, 1 }));
            last.Finish();
        }
        Assert.That(File.Exists(path), Is.False);
        using (SampleStore.Open(path, "run", 1, 4, Example)) { }
        Assert.That(File.Exists(path), Is.False, "nothing is kept of nothing");
    }

    [Test]
    public void TheSameCommandGoesOnWhereItStopped()
    {
        string model = TinyModel();
        string[] Command(string name) =>
            ["sample", "--model", model, "--classes", "0,1", "--w", "1", "--count", "4", "--steps", "2", "--batch", "2", "--out", PathTo(name)];
        // What cannot be written is in the way of the sixth image.
        string inTheWay = Directory.CreateDirectory(PathTo("parts/dog/w1_001.png")).FullName;
        ToolRun stopped = ToolRun.Of(Command("parts"));
        Assert.That(stopped.ExitCode, Is.EqualTo(1));
        Assert.That(stopped.Error, Does.Contain("6 of 8 images are kept"));
        Assert.That(Files("parts"), Has.Length.EqualTo(5));
        Directory.Delete(inTheWay);
        ToolRun rest = ToolRun.Of([.. Command("parts"), "--json"]);
        Assert.That(ToolRun.Of([.. Command("whole"), "--seed", $"{rest.Json.GetProperty("seed")}"]).ExitCode, Is.Zero);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(rest.Error, Does.Contain("going on with 6 of 8 images"));
            Assert.That(Files("parts").Select(file => PictureReader.Read(file).Pixels.ToArray()), Is.EqualTo(Files("whole").Select(file => PictureReader.Read(file).Pixels.ToArray())));
            Assert.That(Directory.GetFiles(Folder, "*.part", SearchOption.AllDirectories), Is.Empty);
        }

        string[] Files(string name) => [.. Directory.GetFiles(PathTo(name), "*.png", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];
    }

    [Test]
    public void ASecondRunReplacesNoImageInSilence()
    {
        string[] command = ["sample", "--model", TinyModel(), "--classes", "0", "--w", "1", "--steps", "1", "--out"];
        Assert.That(ToolRun.Of([.. command, PathTo("dir")]).ExitCode, Is.Zero);
        ToolRun.Of([.. command, PathTo("dir")]).AssertError(1, "is there already", "--first");
        Assert.That(ToolRun.Of([.. command, PathTo("dir"), "--first", "1"]).ExitCode, Is.Zero);
        Assert.That(ToolRun.Of([.. command, PathTo("x.png")]).Error, Does.Not.Contain("replaced"));
        Assert.That(ToolRun.Of([.. command, PathTo("x.png")]).Error, Does.Contain("will be replaced"));
    }
}
