using NativeDiffusion.Model.Data;
using NativeDiffusion.Pictures;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Pictures.Packs;

public sealed class PicturePackTests
{
    private string _folder = null!;

    private string Packs => Path.Combine(_folder, "packs");

    [SetUp]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("nd-packs-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestCase(8)]
    [TestCase(16)]
    [TestCase(40)]
    public void PicturesAreResizedAndCutAsByPillow(int size)
    {
        Add("a", "rgb.png", "grey.png");
        using var pack = Open(new PackSettings { Size = size });
        var expected = NpzReader.Read(PictureFiles.PathOf("expected.npz"));
        Assert.That((pack.Count, pack.Height, pack.Width, pack.Channels, pack.Enlarged), Is.EqualTo((2, size, size, 3, size > 29 ? 2 : 0)));
        Assert.That(Bytes(pack, 1), Is.EqualTo(expected[$"fit{size}"].Data.ToArray()));
        if (size == 16) Assert.That(Bytes(pack, 0), Is.EqualTo(expected["fit16grey"].Data.ToArray().SelectMany(grey => new[] { grey, grey, grey })));
    }

    [Test]
    public void APackIsReusedUntilAFileOrASettingChanges()
    {
        Add("a", "rgb.png", "rgb420.jpg");
        Add("b", "lossy.webp", "exif6.jpg");
        byte[] first;
        string path;
        using (var pack = Open(new PackSettings { Size = 16 }))
        {
            Assert.That((pack.WasReused, pack.Count, pack.ClassNames), Is.EqualTo((false, 4, new[] { "a", "b" })));
            Assert.That(pack.Labels.ToArray(), Is.EqualTo(new[] { 0, 0, 1, 1 }));
            (first, path) = ([.. Enumerable.Range(0, 4).SelectMany(i => Bytes(pack, i))], pack.Path);
        }
        using (var again = Open(new PackSettings { Size = 16 }))
        {
            Assert.That(again.WasReused);
            Assert.That(Enumerable.Range(0, 4).SelectMany(i => Bytes(again, i)), Is.EqualTo(first));
        }
        using (var other = Open(new PackSettings { Size = 8 })) Assert.That(other.WasReused, Is.False);
        File.SetLastWriteTimeUtc(Path.Combine(_folder, "data", "a", "rgb.png"), new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        using (var changed = Open(new PackSettings { Size = 16 })) Assert.That((changed.WasReused, changed.Path == path), Is.EqualTo((false, false)));
    }

    [Test]
    public void APackThatIsNotWholeIsMadeAgain()
    {
        Add("a", "rgb.png", "rgb420.jpg");
        string path;
        using (var pack = Open(new PackSettings { Size = 16 })) path = pack.Path;
        byte[] whole = File.ReadAllBytes(path);
        foreach (byte[] damaged in new byte[][] { whole[..^1], whole[..100], [], [.. whole, 0], [.. whole[..^30], .. new byte[30]] })
        {
            File.WriteAllBytes(path, damaged);
            using var pack = Open(new PackSettings { Size = 16 });
            Assert.That(pack.WasReused, Is.False);
        }
        Assert.That(File.ReadAllBytes(path), Is.EqualTo(whole), "the same pictures make the same bytes");
    }

    [Test]
    public void AnInterruptedBuildLeavesNothingThatIsTakenForAPack()
    {
        Add("a", "rgb.png", "rgb420.jpg", "grey.png", "exif1.jpg", "exif2.jpg", "exif3.jpg", "exif4.jpg", "exif5.jpg", "exif7.jpg");
        using var cancellation = new CancellationTokenSource();
        var progress = new Told(done => { if (done == 2) cancellation.Cancel(); });
        Assert.That(() => PicturePack.Open(PictureFolder.Open(Path.Combine(_folder, "data")), new PackSettings { Size = 16 }, Packs, progress, cancellation.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(Directory.GetFiles(Packs), Is.Empty);
        // What a process that was killed leaves behind.
        var list = PictureFolder.Open(Path.Combine(_folder, "data"));
        string remains = PicturePack.PathOf(list, new PackSettings { Size = 16 }, Packs) + ".tmp-1-1";
        File.WriteAllBytes(remains, [1, 2, 3]);
        using var pack = Open(new PackSettings { Size = 16 });
        Assert.That((pack.WasReused, File.Exists(remains)), Is.EqualTo((false, false)));
    }

    [Test]
    public void TheFirstBadFileIsAnErrorOrAllAreLeftOut()
    {
        Add("a", "rgb.png", "cut_rgb420.jpg", "grey.jpg");
        File.WriteAllText(Path.Combine(_folder, "data", "a", "page.jpg"), "<html>");
        File.WriteAllText(Path.Combine(_folder, "data", "a", "notes.txt"), "notes");
        Assert.That(() => Open(new PackSettings { Size = 16 }), Throws.TypeOf<InvalidDataException>().With.Message.Contains("cut_rgb420.jpg").And.Message.Contains("truncated"));
        using (var pack = Open(new PackSettings { Size = 16, SkipBad = true }))
        {
            Assert.That(pack.Count, Is.EqualTo(2));
            Assert.That(pack.LeftOut.Select(l => Path.GetFileName(l.Name)), Is.EqualTo(new[] { "notes.txt", "cut_rgb420.jpg", "page.jpg" }));
            Assert.That(pack.LeftOut[2].Why, Does.Contain("a web page named .jpg"));
        }
        using (var again = Open(new PackSettings { Size = 16, SkipBad = true })) Assert.That((again.WasReused, again.LeftOut.Count), Is.EqualTo((true, 3)));
        Assert.That(() => Open(new PackSettings { Size = 16 }), Throws.TypeOf<InvalidDataException>().With.Message.Contains("truncated"), "a pack that left files out is none for who wants all");
    }

    [Test]
    public void WithoutASizeAllHaveOne()
    {
        Add("a", "rgb.png", "grey.png");
        using (var pack = Open(new PackSettings())) Assert.That((pack.Height, pack.Width), Is.EqualTo((29, 37)));
        Add("a", "exif6.jpg");
        Assert.That(() => Open(new PackSettings()), Throws.TypeOf<InvalidDataException>().With.Message.Contains("29 x 37").And.Message.Contains("--size"));
        Assert.That(() => Open(new PackSettings { Crop = PictureCrop.Random }), Throws.ArgumentException);
        Assert.That(() => Open(new PackSettings { Size = 1 }), Throws.ArgumentException.With.Message.Contains("got 1"));
    }

    [Test]
    public void ARandomCropIsCutWhereItIsAsked()
    {
        Add("a", "rgb.png");
        using var centre = Open(new PackSettings { Size = 16 });
        using var random = Open(new PackSettings { Size = 16, Crop = PictureCrop.Random });
        // 37 x 29 is 20 x 16: columns 0 to 4 are where a square may begin, and the middle begins at 2.
        Assert.That(Bytes(random, 0, across: 0.5), Is.EqualTo(Bytes(centre, 0)));
        byte[][] all = [.. new[] { 0, 0.25, 0.5, 0.7, 0.9999 }.Select(across => Bytes(random, 0, across))];
        Assert.That(all.Select(Convert.ToHexString), Is.Unique);
        Assert.That(all[0].Skip(3).Take(45), Is.EqualTo(all[1].Take(45)), "one column further");
    }

    [Test]
    public void PaddingPutsPicturesInTheMiddleOfBlack()
    {
        Add("a", "rgb.png");
        using var pack = Open(new PackSettings());
        var padded = pack.PadTo(40);
        float[] pixels = new float[40 * 40 * 3], inner = new float[29 * 37 * 3];
        padded.CopyRow(0, 0.5, 0.5, pixels);
        pack.CopyRow(0, 0.5, 0.5, inner);
        var dataset = new ImageDataset(29, 37, 3, Bytes(pack, 0), new int[1], ["a"]).PadTo(40);
        float[] expected = new float[pixels.Length];
        dataset.CopyRow(0, expected);
        Assert.That(pixels, Is.EqualTo(expected));
        Assert.That((padded.Fingerprint(), padded.Count, padded.Labels.Length), Is.EqualTo((pack.Fingerprint(), 1, 1)));
        Assert.That(() => pack.PadTo(30), Throws.ArgumentException);
    }

    private static byte[] Bytes(PicturePack pack, int index, double across = 0.5)
    {
        float[] row = new float[pack.Height * pack.Width * pack.Channels];
        pack.CopyRow(index, across, 0.5, row);
        return Array.ConvertAll(row, value => (byte)MathF.Round((value + 1) * 127.5f));
    }

    private void Add(string label, params string[] names)
    {
        string folder = Path.Combine(_folder, "data", label);
        Directory.CreateDirectory(folder);
        foreach (string name in names) File.Copy(PictureFiles.PathOf(name), Path.Combine(folder, name));
    }

    private PicturePack Open(PackSettings settings) => PicturePack.Open(PictureFolder.Open(Path.Combine(_folder, "data")), settings, Packs);

    private sealed class Told(Action<int> told) : IProgress<int>
    {
        public void Report(int value) => told(value);
    }
}
