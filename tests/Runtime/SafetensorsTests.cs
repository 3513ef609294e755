using System.Text;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

public sealed class SafetensorsTests
{
    private string _folder = "";

    [SetUp]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("nd-safetensors-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    private string PathOf(string name) => Path.Combine(_folder, name);

    [TestCase("F8_E4M3", 3, 3)]
    [TestCase("F8_E5M2", 3, 3)]
    [TestCase("F8_E8M0", 3, 3)]
    [TestCase("F6_E2M3", 4, 3)]
    [TestCase("F4", 6, 3)]
    [TestCase("C64", 2, 16)]
    public void TensorsOfTypesThatAreNotReadAreLeftOut(string dtype, int elements, int bytes)
    {
        string json = $$"""{"__metadata__":null,"q":{"dtype":"{{dtype}}","shape":[{{elements}}],"data_offsets":[0,{{bytes}}]},"a":{"dtype":"U8","shape":[2],"data_offsets":[{{bytes}},{{bytes + 2}}] } }""";
        using var file = SafetensorsFile.Open(new MemoryStream(SafetensorsBytes.Make(json, [.. new byte[bytes], 7, 9])), "x");
        Assert.That(file.Metadata, Is.Empty);
        Assert.That(file.Tensors.Select(t => t.Name), Is.EqualTo(new[] { "a" }));
        Assert.That(file.ReadFloat("a"), Is.EqualTo(new[] { 7f, 9f }));
        Assert.That(() => SafetensorsFile.Open(new MemoryStream(SafetensorsBytes.Make(json.Replace($"[{elements}]", "[9]"), [.. new byte[bytes], 7, 9])), "x"),
            Throws.TypeOf<CheckpointException>().With.Message.Contains("'q'").And.Message.Contains(dtype), "their extents are checked");
    }

    [Test]
    public void ExactBytes()
    {
        string path = PathOf("a.safetensors");
        SafetensorsWriter.Write(
            path,
            [
                TensorEntry.Of("z", [2, 1], new[] { 1f, -2f }),
                TensorEntry.Of("a", [], new[] { 1.5f }, DType.BF16),
                TensorEntry.Of("n", [3], new byte[] { 7, 8, 9 }),
            ],
            [new("step", "12"), new("by", "tests")]);

        const string json = """{"__metadata__":{"step":"12","by":"tests"},"z":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}"""
            + ""","a":{"dtype":"BF16","shape":[],"data_offsets":[8,10]},"n":{"dtype":"U8","shape":[3],"data_offsets":[10,13]}}""";
        int padded = (json.Length + 7) / 8 * 8;
        byte[] expected =
        [
            (byte)padded, (byte)(padded >> 8), 0, 0, 0, 0, 0, 0,
            .. Encoding.ASCII.GetBytes(json.PadRight(padded)),
            0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0, 0xC0, 0x3F, 7, 8, 9,
        ];
        Assert.That(File.ReadAllBytes(path), Is.EqualTo(expected));
    }

    [Test]
    public void ReadsAHandMadeFile()
    {
        // Keys out of the order of their data, spaces inside the JSON, an empty tensor, an unknown field, no padding.
        byte[] bytes = SafetensorsBytes.Make(
            """{ "h": {"shape":[2],"dtype":"F16","data_offsets":[4,8],"note":{"x":[1]}},"""
            + """ "i":{"dtype":"I32","shape":[],"data_offsets":[0,4]},"""
            + """ "e":{"dtype":"F64","shape":[3,0],"data_offsets":[8,8]}, "__metadata__": {"format":"pt"} }""",
            [0xFE, 0xFF, 0xFF, 0xFF, 0x00, 0x3C, 0x01, 0x00]);
        using SafetensorsFile file = SafetensorsFile.Open(new MemoryStream(bytes), "hand");
        Assert.That(file.Tensors.Select(t => t.Name), Is.EqualTo(new[] { "h", "i", "e" }));
        Assert.That(file.Metadata, Is.EqualTo(new Dictionary<string, string> { ["format"] = "pt" }));
        Assert.That(file.ReadFloat("h"), Is.EqualTo(new[] { 1f, 1 / 16777216f }));
        Assert.That(file.ReadInt64("i"), Is.EqualTo(new long[] { -2 }));
        Assert.That(file.ReadFloat("i"), Is.EqualTo(new[] { -2f }));
        Assert.That(file.ReadDouble("e"), Is.Empty);
        Assert.That(file.Find("e").Shape, Is.EqualTo(new long[] { 3, 0 }));
        Assert.That(file.Contains("h"), Is.True);
        Assert.That(file.Contains("x"), Is.False);
    }

    [Test]
    public void AStreamIsReadFromItsPosition()
    {
        byte[] bytes = [1, 2, 3, .. SafetensorsBytes.Make("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}""", [4, 5])];
        MemoryStream stream = new(bytes) { Position = 3 };
        using (SafetensorsFile file = SafetensorsFile.Open(stream, "middle", leaveOpen: true))
            Assert.That(file.ReadInt64("a"), Is.EqualTo(new long[] { 4, 5 }));
        Assert.That(stream.CanRead, Is.True);
    }

    [Test]
    public void FloatRoundTripAcrossChunks([Values(DType.F64, DType.F32, DType.F16, DType.BF16)] DType dtype)
    {
        // Multiples of 1/8 below 16 are exact in all four formats; 40 000 elements span several chunks.
        float[] values = [.. Enumerable.Range(0, 40_000).Select(i => (i % 127 - 63) / 8f)];
        string path = PathOf("f.safetensors");
        SafetensorsWriter.Write(path, [TensorEntry.Of("pad", [1], new byte[] { 1 }), TensorEntry.Of("x", [200, 200], values, dtype)]);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.That(file.Find("x").DType, Is.EqualTo(dtype));
        Assert.That(file.ReadFloat("x"), Is.EqualTo(values));
        Assert.That(file.ReadDouble("x"), Is.EqualTo(values.Select(v => (double)v)));
        float[] destination = new float[values.Length];
        file.ReadFloat("x", destination);
        Assert.That(destination, Is.EqualTo(values));
    }

    [TestCase(DType.I64, long.MinValue, long.MaxValue)]
    [TestCase(DType.I32, int.MinValue, int.MaxValue)]
    [TestCase(DType.U8, 0, 255)]
    public void IntegerRoundTrip(DType dtype, long lowest, long highest)
    {
        long[] values = [lowest, 0, 1, 100, highest];
        string path = PathOf("i.safetensors");
        SafetensorsWriter.Write(path, [TensorEntry.Of("x", [5], values, dtype)]);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.That(file.ReadInt64("x"), Is.EqualTo(values));
        Assert.That(file.ReadDouble("x"), Is.EqualTo(values.Select(v => (double)v)));
        Assert.That(file.ReadFloat("x"), Is.EqualTo(values.Select(v => (float)v)));
    }

    [TestCase(DType.I8, new byte[] { 0x80, 0x7F }, new long[] { -128, 127 })]
    [TestCase(DType.I16, new byte[] { 0x00, 0x80, 0xFF, 0x7F }, new long[] { -32768, 32767 })]
    [TestCase(DType.U16, new byte[] { 0x00, 0x80, 0xFF, 0xFF }, new long[] { 32768, 65535 })]
    [TestCase(DType.U32, new byte[] { 0xFF, 0xFF, 0xFF, 0xFF }, new long[] { 4294967295 })]
    [TestCase(DType.U64, new byte[] { 1, 0, 0, 0, 0, 0, 0, 0x40 }, new long[] { (1L << 62) + 1 })]
    [TestCase(DType.Bool, new byte[] { 0, 1, 5 }, new long[] { 0, 1, 1 })]
    public void RawBytesOfTheOtherIntegers(DType dtype, byte[] bytes, long[] expected)
    {
        string path = PathOf("r.safetensors");
        SafetensorsWriter.Write(path, [new TensorEntry("x", dtype, [expected.Length], stream => stream.Write(bytes))]);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.That(file.ReadInt64("x"), Is.EqualTo(expected));
        Assert.That(file.ReadDouble("x"), Is.EqualTo(expected.Select(v => (double)v)));
    }

    [Test]
    public void WrongRequestsNameTheTensor()
    {
        string path = PathOf("w.safetensors");
        TensorEntry big = new("big", DType.U64, [1], stream => stream.Write(BitConverter.GetBytes(ulong.MaxValue)));
        SafetensorsWriter.Write(path, [TensorEntry.Of("a.b", [2, 3], new float[6]), big]);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.That(() => file.ReadFloat("a.c"), Throws.TypeOf<CheckpointException>().With.Message.EqualTo(
            $"{path}: there is no tensor 'a.c'; it holds 2, the first being 'a.b' F32 [2,3]"));
        Assert.That(() => file.ReadFloat("a.b", new float[7]), Throws.TypeOf<CheckpointException>().With.Message.EqualTo(
            $"{path}: tensor 'a.b' F32 [2,3] has 6 elements, expected 7"));
        Assert.That(() => file.ReadInt64("a.b"), Throws.TypeOf<CheckpointException>().With.Message.Contains("real numbers"));
        Assert.That(() => file.ReadInt64("big"), Throws.TypeOf<CheckpointException>().With.Message.Contains("'big'"));
        Assert.That(() => SafetensorsFile.Open(PathOf("none")), Throws.TypeOf<CheckpointException>().With.Message.Contains("no such file"));
        Assert.That(() => SafetensorsFile.Open(_folder), Throws.TypeOf<CheckpointException>().With.Message.Contains("folder"));
    }

    [Test]
    public void AFullDiskLeavesTheOldFile()
    {
        string path = PathOf("old.safetensors");
        SafetensorsWriter.Write(path, [TensorEntry.Of("a", [1], new[] { 3f })]);
        byte[] before = File.ReadAllBytes(path);
        TensorEntry failing = new("b", DType.U8, [1_000_000], stream =>
        {
            stream.Write(new byte[500_000]);
            throw new IOException("No space left on device");
        });
        Assert.That(
            () => SafetensorsWriter.Write(path, [TensorEntry.Of("a", [1], new[] { 4f }), failing]),
            Throws.InstanceOf<IOException>().With.Message.Contains("No space left"));
        TensorEntry shortBy1 = new("b", DType.U8, [3], stream => stream.Write(new byte[2]));
        Assert.That(() => SafetensorsWriter.Write(path, [shortBy1]), Throws.InvalidOperationException.With.Message.Contains("'b'"));
        Assert.That(
            () => SafetensorsWriter.Write(path, [TensorEntry.Of("b", [1], new long[] { 256 }, DType.U8)]),
            Throws.InstanceOf<OverflowException>());
        Assert.That(File.ReadAllBytes(path), Is.EqualTo(before));
        Assert.That(Directory.GetFiles(_folder), Has.Length.EqualTo(1));
    }

    [Test]
    public void WrongEntriesAreRefused()
    {
        string path = PathOf("never.safetensors");
        TensorEntry a = TensorEntry.Of("a", [1], new float[1]);
        Assert.That(() => SafetensorsWriter.Write(path, [a, a]), Throws.ArgumentException);
        Assert.That(() => SafetensorsWriter.Write(path, [TensorEntry.Of("__metadata__", [1], new float[1])]), Throws.ArgumentException);
        Assert.That(() => SafetensorsWriter.Write(path, [a], [new("k", "1"), new("k", "2")]), Throws.ArgumentException);
        Assert.That(() => TensorEntry.Of("a", [2], new float[1]), Throws.ArgumentException);
        Assert.That(() => TensorEntry.Of("a", [-1], new float[1]), Throws.ArgumentException);
        Assert.That(() => TensorEntry.Of("a", [1L << 40, 1L << 40], new float[1]), Throws.ArgumentException);
        Assert.That(() => TensorEntry.Of("a", [1], new float[1], DType.I64), Throws.ArgumentException);
        Assert.That(() => TensorEntry.Of("a", [1], new long[1], DType.F32), Throws.ArgumentException);
        Assert.That(File.Exists(path), Is.False);
    }
}
