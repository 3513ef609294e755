using System.IO.Compression;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Runtime.Checkpoints;
using NativeDiffusion.Tests.Runtime;

namespace NativeDiffusion.Tests.Data;

public sealed class NpzTests
{
    private string _path = null!;

    [SetUp]
    public void ChooseFile() => _path = Path.Combine(Directory.CreateTempSubdirectory("nd-npz-").FullName, "file.npz");

    [TearDown]
    public void DeleteFolder() => Directory.Delete(Path.GetDirectoryName(_path)!, recursive: true);

    [Test]
    public void RoundTripsImagesWithFixedBytes()
    {
        ImageDataset images = Images();
        NpzWriter.Write(_path, images);
        byte[] file = File.ReadAllBytes(_path);
        ImageDataset back = NpzReader.ReadImages(_path, out bool labelled);
        Assert.That(labelled, Is.True);
        Assert.That((back.Count, back.Height, back.Width, back.Channels, back.ClassCount), Is.EqualTo((2, 2, 3, 1, 5)));
        Assert.That(back.Pixels.ToArray(), Is.EqualTo(images.Pixels.ToArray()));
        Assert.That(back.Labels.ToArray(), Is.EqualTo(new[] { 4, 1 }));
        NpzWriter.Write(_path, back);
        Assert.That(File.ReadAllBytes(_path), Is.EqualTo(file));
    }

    [TestCase(DType.I8, new byte[] { 3, 0 })]
    [TestCase(DType.U8, new byte[] { 3, 0 })]
    [TestCase(DType.I16, new byte[] { 3, 0, 0, 0 })]
    [TestCase(DType.U16, new byte[] { 3, 0, 0, 0 })]
    [TestCase(DType.I32, new byte[] { 3, 0, 0, 0, 0, 0, 0, 0 })]
    [TestCase(DType.U32, new byte[] { 3, 0, 0, 0, 0, 0, 0, 0 })]
    [TestCase(DType.I64, new byte[] { 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 })]
    public void LabelsAreWholeNumbersOfAnyWidth(DType type, byte[] labels)
    {
        NpzCheckpointWriter.Write(_path,
        [
            new TensorEntry("arr_0", DType.U8, [2, 2, 2, 1], stream => stream.Write(new byte[8])), new TensorEntry("arr_1", type, [2], stream => stream.Write(labels)),
        ], null);
        ImageDataset images = NpzReader.ReadImages(_path, out bool labelled);
        Assert.That(labelled);
        Assert.That(images.Labels.ToArray(), Is.EqualTo(new[] { 3, 0 }));
    }

    [Test]
    public void ShorterWholeNumbersKeepTheirValues()
    {
        NpzCheckpointWriter.Write(_path,
        [
            new TensorEntry("i1", DType.I8, [2], stream => stream.Write([0x80, 0x7F])), new TensorEntry("i2", DType.I16, [2], stream => stream.Write([0, 0x80, 0xFF, 0x7F])),
            new TensorEntry("u2", DType.U16, [1], stream => stream.Write([0xFF, 0xFF])), new TensorEntry("u4", DType.U32, [1], stream => stream.Write([0xFF, 0xFF, 0xFF, 0xFF])),
        ], null);
        var back = NpzReader.Read(_path);
        Assert.That(back["i1"].ToInt64(), Is.EqualTo(new long[] { -128, 127 }));
        Assert.That(back["i2"].ToInt64(), Is.EqualTo(new long[] { -32768, 32767 }));
        Assert.That(back["u2"].ToInt64().Concat(back["u4"].ToInt64()), Is.EqualTo(new long[] { 65535, 4294967295 }));
    }

    [Test]
    public void RoundTripsOtherTypesAndShapes()
    {
        NpzWriter.Write(_path,
        [
            ("mu", NpyArray.From(new[] { 0.1, -2.5, double.MaxValue }, 3)), ("one", NpyArray.From(new[] { 7L })),
            ("none", NpyArray.From(Array.Empty<long>(), 0, 5)),
            ("f4", new NpyArray(NpyType.Float32, [1, 2], new byte[] { 0, 0, 128, 63, 0, 0, 0, 192 })),
            ("i4", new NpyArray(NpyType.Int32, [1], new byte[] { 254, 255, 255, 255 })),
        ]);
        IReadOnlyDictionary<string, NpyArray> back = NpzReader.Read(_path);
        Assert.That(back["mu"].ToDouble(), Is.EqualTo(new[] { 0.1, -2.5, double.MaxValue }));
        Assert.That((back["one"].Shape.Count, back["one"].ToInt64()[0]), Is.EqualTo((0, 7L)));
        Assert.That(back["none"].Shape, Is.EqualTo(new[] { 0, 5 }));
        Assert.That(back["f4"].ToDouble(), Is.EqualTo(new[] { 1.0, -2.0 }));
        Assert.That(back["i4"].ToInt64(), Is.EqualTo(new[] { -2L }));
        Assert.That(() => back["f4"].ToInt64(), Throws.InvalidOperationException);
    }

    [Test]
    public void WritesTheHeaderOfNumPy()
    {
        MemoryStream stream = new();
        NpyFormat.Write(stream, NpyArray.From(new long[] { 1, 2 }, 2));
        byte[] file = stream.ToArray();
        string text = "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }";
        Assert.That(file[..10], Is.EqualTo(new byte[] { 0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 118, 0 }));
        Assert.That(Encoding.ASCII.GetString(file[10..128]), Is.EqualTo(text.PadRight(117) + "\n"));
        Assert.That(file[128..], Is.EqualTo(new byte[] { 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0 }));
    }

    [TestCase("{\"shape\": (2,1), \"descr\": \"|u1\", \"fortran_order\": False}", (byte)2)]
    [TestCase("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1), }   \n", (byte)1)]
    public void ReadsHeadersOfBothVersions(string header, byte version) =>
        Assert.That(ReadNpy(header, [8, 9], version).Shape, Is.EqualTo(new[] { 2, 1 }));

    [TestCase("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "<c8")]
    [TestCase("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "|O")]
    [TestCase("{'fortran_order': False, 'shape': (1,), }", "descr")]
    [TestCase("{'descr': '<i8', 'fortran_order': False, 'shape': (-1,), }", "-1")]
    [TestCase("{'descr': '<i8', 'fortran_order': False, 'shape': (2000000000, 2000000000, 2000000000, 0), }", "2000000000")]
    [TestCase("{'descr': '<i8', 'fortran_order': False, 'shape': (200000000,), }", "200000000")]
    [TestCase("{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }", "needs 16")]
    [TestCase("{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }", "8 bytes follow")]
    [TestCase("{'descr': '<i8', 'fortran_order': False, 'shape': (1,", "shape")]
    public void RefusesBadHeaders(string header, string message)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(() => ReadNpy(header, new byte[8], 1), Throws.TypeOf<CheckpointException>().With.Message.Contains(message));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
    }

    [Test]
    public void MutationsGiveInvalidDataExceptionThatNamesTheFile()
    {
        NpzWriter.Write(_path, Images());
        byte[] seedFile = File.ReadAllBytes(_path);
        Property property = Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), seed =>
        {
            Random random = new(seed);
            byte[] file = seedFile[..(random.Next(4) == 0 ? random.Next(seedFile.Length) : seedFile.Length)];
            if (file.Length > 0)
                file[random.Next(file.Length)] = (byte)random.Next(256);
            File.WriteAllBytes(_path, file);
            try
            {
                NpzReader.ReadImages(_path, out _);
            }
            catch (InvalidDataException exception)
            {
                Assert.That(exception.Message, Does.Contain(_path));
            }
        });
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(1000), property);
    }

    [Test]
    public void RefusesArraysThatAreNotImages()
    {
        NpzWriter.Write(_path, [("arr_0", NpyArray.From(new long[] { 1 }, 1))]);
        Assert.That(() => NpzReader.ReadImages(_path, out _), Throws.TypeOf<InvalidDataException>().With.Message.Contains("Int64 of shape (1)"));
        NpzWriter.Write(_path, [("mu", NpyArray.From(new long[] { 1 }, 1))]);
        Assert.That(() => NpzReader.ReadImages(_path, out _), Throws.TypeOf<InvalidDataException>().With.Message.Contains("it has: mu"));
        NpzWriter.Write(_path, [("arr_0", NpyArray.From(new byte[4], 1, 2, 2, 1)), ("arr_1", NpyArray.From(new long[] { -4 }, 1))]);
        Assert.That(() => NpzReader.ReadImages(_path, out _), Throws.TypeOf<InvalidDataException>().With.Message.Contains("-4"));
    }

    [Test]
    public void ReadsImagesWithoutLabelsAndStoredEntries()
    {
        using (ZipArchive archive = ZipFile.Open(_path, ZipArchiveMode.Create))
        using (Stream entry = archive.CreateEntry("arr_0.npy", CompressionLevel.NoCompression).Open())
            NpyFormat.Write(entry, NpyArray.From(new byte[] { 5, 6 }, 2, 1, 1, 1));
        ImageDataset images = NpzReader.ReadImages(_path, out bool labelled);
        Assert.That(labelled, Is.False);
        Assert.That((images.Count, images.ClassCount, images.Row(1)[0]), Is.EqualTo((2, 1, (byte)6)));
    }

    private static ImageDataset Images() =>
        new(2, 3, 1, Enumerable.Range(0, 12).Select(value => (byte)(value * 20)).ToArray(), new[] { 4, 1 }, ["0", "1", "2", "3", "4"]);

    private static TensorInfo ReadNpy(string header, byte[] data, byte version)
    {
        byte[] text = Encoding.ASCII.GetBytes(header);
        byte[] length = version == 1 ? [(byte)text.Length, 0] : [(byte)text.Length, 0, 0, 0];
        byte[] file = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0, .. length, .. text, .. data];
        using var opened = TorchBytes.Open(file);
        return opened.Tensors.Single();
    }
}
