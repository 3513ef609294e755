using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

/// <summary>What is written in one container is read back from it, and from any other after conversion.</summary>
public sealed class CheckpointWriterTests
{
    private static readonly Dictionary<string, string> Texts = new() { ["config"] = """{"image_size":8}""", ["a b"] = "ü\n" };
    private string _folder = "";

    [SetUp]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("nd-containers-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    private string PathOf(string name) => Path.Combine(_folder, name);

    private static void Write(string path, IEnumerable<TensorEntry> tensors, IEnumerable<KeyValuePair<string, string>>? metadata)
    {
        if (path.EndsWith(".npz")) NpzCheckpointWriter.Write(path, tensors, metadata);
        else if (path.EndsWith(".pt")) TorchWriter.Write(path, tensors, metadata);
        else SafetensorsWriter.Write(path, tensors, metadata);
    }

    private static List<TensorEntry> Tensors(bool brainFloat) =>
    [
        TensorEntry.Of("a.weight", [200, 100], (float[])[.. Enumerable.Range(0, 20_000).Select(i => i / 7f)]),
        TensorEntry.Of("a.half", [3], new[] { 1f, -2.5f, 65504f }, DType.F16),
        .. brainFloat ? [TensorEntry.Of("brain", [2, 1], new[] { 1f, -3f }, DType.BF16)] : (TensorEntry[])[],
        TensorEntry.Of("double", [], new[] { Math.PI }),
        TensorEntry.Of("long", [2], new[] { long.MinValue, 7 }),
        TensorEntry.Of("int", [1, 2], new long[] { -1, 7 }, DType.I32),
        TensorEntry.Of("bytes", [3], new byte[] { 1, 2, 255 }),
        new TensorEntry("flags", DType.Bool, [2], stream => stream.Write([1, 0])),
        TensorEntry.Of("empty", [0, 4], Array.Empty<float>()),
    ];

    [Test]
    public void Round_trip([Values("x.safetensors", "x.pt", "x.npz")] string name, [Values("y.safetensors", "y.pt", "y.npz")] string next)
    {
        bool brainFloat = !(name + next).Contains("npz");
        SafetensorsWriter.Write(PathOf("source"), Tensors(brainFloat), Texts);
        using var source = CheckpointFile.Open(PathOf("source"));
        Write(PathOf(name), Tensors(brainFloat), Texts);
        using (var first = CheckpointFile.Open(PathOf(name)))
            Write(PathOf(next), first.Tensors.Select(t => TensorEntry.From(first, t.Name)), first.Metadata);
        using var file = CheckpointFile.Open(PathOf(next));
        Assert.That(file.Metadata, Is.EquivalentTo(Texts));
        Assert.That(file.Tensors.Select(t => t.ToString()), Is.EqualTo(source.Tensors.Select(t => t.ToString())));
        foreach (TensorInfo tensor in source.Tensors)
            Assert.That(file.ReadDouble(tensor.Name), Is.EqualTo(source.ReadDouble(tensor.Name)), tensor.Name);
    }

    [Test]
    public void Conversion_rounds_once_and_leaves_integers()
    {
        // 1 + 2^-11 + 2^-40 lies above the middle of two F16 values, but its F32 neighbour exactly in the middle.
        SafetensorsWriter.Write(PathOf("a"), [TensorEntry.Of("x", [1], new[] { 1 + Math.Pow(2, -11) + Math.Pow(2, -40) }), TensorEntry.Of("n", [1], new long[] { 3 })]);
        using var file = CheckpointFile.Open(PathOf("a"));
        TorchWriter.Write(PathOf("b"), file.Tensors.Select(t => TensorEntry.From(file, t.Name, DType.F16)));
        using var half = CheckpointFile.Open(PathOf("b"));
        Assert.That(half.Find("x").DType, Is.EqualTo(DType.F16));
        Assert.That(half.ReadDouble("x")[0], Is.EqualTo(1 + Math.Pow(2, -10)));
        Assert.That(half.Find("n").DType, Is.EqualTo(DType.I64));
    }

    [Test]
    public void What_a_container_does_not_have_is_refused_before_writing()
    {
        Assert.That(() => NpzCheckpointWriter.Write(PathOf("n"), [TensorEntry.Of("b", [1], new[] { 1f }, DType.BF16)]), Throws.ArgumentException.With.Message.Contains("'b' is BF16"));
        Assert.That(() => TorchWriter.Write(PathOf("n"), [new TensorEntry("u", DType.U32, [0], _ => { })]), Throws.ArgumentException.With.Message.Contains("'u' is U32"));
        TensorEntry a = TensorEntry.Of("a", [1], new float[1]);
        Assert.That(() => TorchWriter.Write(PathOf("n"), [a, a]), Throws.ArgumentException);
        Assert.That(() => NpzCheckpointWriter.Write(PathOf("n"), [a, a]), Throws.ArgumentException);
        Assert.That(File.Exists(PathOf("n")), Is.False);
    }

    [Test]
    public void A_checkpoint_in_parts_is_opened_by_its_index_or_folder()
    {
        SafetensorsWriter.Write(PathOf("model-00001-of-00002.safetensors"), [TensorEntry.Of("a", [2], new[] { 1f, 2f })], Texts);
        TorchWriter.Write(PathOf("model-00002-of-00002.bin"), [TensorEntry.Of("b", [1], new[] { 3f }), TensorEntry.Of("c", [1], new[] { 4f })]);
        string index = PathOf("model.safetensors.index.json");
        File.WriteAllText(index, """
            {"metadata": {"total_size": 16, "by": "tests"},
             "weight_map": {"a": "model-00001-of-00002.safetensors", "c": "model-00002-of-00002.bin", "b": "model-00002-of-00002.bin"}}
            """);
        foreach (string path in new[] { index, _folder })
        {
            using var file = CheckpointFile.Open(path);
            Assert.That(file.Tensors.Select(t => t.Name), Is.EqualTo(new[] { "a", "c", "b" }));
            Assert.That(file.ReadFloat("a").Concat(file.ReadFloat("b")).Concat(file.ReadFloat("c")), Is.EqualTo(new[] { 1f, 2f, 3f, 4f }));
            Assert.That(file.Metadata["by"], Is.EqualTo("tests"));
            Assert.That(file.Metadata["config"], Is.EqualTo(Texts["config"]));
        }
    }

    [TestCase("""{"weight_map": {"a": "../x"}}""", "'../x', which is not the name of a file in the same folder")]
    [TestCase("""{"weight_map": {"a": "/etc/passwd"}}""", "'/etc/passwd', which is not")]
    [TestCase("""{"weight_map": {"a": ".."}}""", "'..', which is not")]
    [TestCase("""{"weight_map": {"a": 3}}""", "'3', which is not")]
    [TestCase("""{"weight_map": {"a": "none"}}""", "there is no such file")]
    [TestCase("""{"weight_map": {"a": "x", "a": "x"}}""", "'a' is listed twice")]
    [TestCase("""{"weight_map": {"a": "p", "z": "p"}}""", "there is no tensor 'z'")]
    [TestCase("""{"weight_map": {"a": "m.index.json"}}""", "m.index.json")]
    [TestCase("""{"weight_map": 3}""", "no 'weight_map'")]
    [TestCase("{", "not valid JSON")]
    public void A_wrong_index_is_refused(string json, string message)
    {
        SafetensorsWriter.Write(PathOf("p"), [TensorEntry.Of("a", [1], new[] { 1f })]);
        File.WriteAllText(PathOf("m.index.json"), json);
        Assert.That(() => CheckpointFile.Open(_folder), Throws.TypeOf<CheckpointException>().With.Message.Contains(message));
    }

    [TestCase("../../evil")]
    [TestCase("/etc/evil")]
    [TestCase("a/../b")]
    [TestCase("..\\evil")]
    [TestCase("C:evil")]
    public void Names_that_leave_an_archive_are_refused(string name)
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".npz");
        Assert.That(() => NpzCheckpointWriter.Write(path, [TensorEntry.Of(name, [1], new float[] { 1 })]), Throws.ArgumentException.With.Message.Contains(name));
        Assert.That(File.Exists(path), Is.False);
    }

    [TestCase(DType.F16, 65519.9f, 65520f)]
    [TestCase(DType.BF16, 3.3961e38f, 3.3962e38f)]
    public void A_conversion_that_would_overflow_is_refused(DType type, float most, float tooMuch)
    {
        string from = Path.GetTempFileName(), to = Path.GetTempFileName();
        try
        {
            SafetensorsWriter.Write(from, [TensorEntry.Of("fits", [2], new[] { most, float.NegativeInfinity }), TensorEntry.Of("overflows", [1], new[] { -tooMuch })]);
            using var file = SafetensorsFile.Open(from);
            SafetensorsWriter.Write(to, [TensorEntry.From(file, "fits", type)]);
            Assert.That(() => SafetensorsWriter.Write(to, [TensorEntry.From(file, "overflows", type)]), Throws.TypeOf<CheckpointException>().With.Message.Contains("'overflows'").And.Message.Contains($"{type}"));
        }
        finally
        {
            File.Delete(from);
            File.Delete(to);
        }
    }
}
