using System.Text;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

/// <summary>Files as TorchSharp 0.107.0 writes them, byte by byte.</summary>
[TestFixture]
internal sealed class TorchSharpFileTests
{
    // Linear(3, 2) by Module.save.
    private static readonly byte[] Linear = Convert.FromHexString(
        "02" + "06776569676874" + "06020203" + "E8A38DBB13939E3E7E4BF3BEC98BD9BEB1B463BE53891E3E" + "0462696173" + "060102" + "406B3BBC7A61EA3E");

    private string _path = "";

    [SetUp]
    public void MakePath() => _path = Path.Combine(Directory.CreateTempSubdirectory("torchsharp").FullName, "weights.dat");

    [TearDown]
    public void DeleteFolder() => Directory.Delete(Path.GetDirectoryName(_path)!, recursive: true);

    [Test]
    public void A_module_is_read_under_its_own_names()
    {
        using var file = Open(Linear);
        Assert.That(file.Container, Is.EqualTo("TorchSharp module"));
        Assert.That(file.Tensors.Select(t => t.ToString()), Is.EqualTo(new[] { "'weight' F32 [2,3]", "'bias' F32 [2]" }));
        Assert.That(file.ReadFloat("weight"), Is.EqualTo(new[] { -0.0043225177f, 0.30971584f, -0.47518533f, -0.4248946f, -0.22236897f, 0.15482073f }));
        Assert.That(file.ReadFloat("bias"), Is.EqualTo(new[] { -0.011439145f, 0.45777494f }));
    }

    [Test]
    public void Every_type_of_element_long_names_and_shared_parameters_are_read()
    {
        var bytes = new List<byte> { 9 };
        void Entry(string name, params byte[] tensor)
        {
            byte[] text = Encoding.UTF8.GetBytes(name);
            if (text.Length < 128) bytes.Add((byte)text.Length);
            else bytes.AddRange([(byte)(text.Length & 127 | 128), (byte)(text.Length >> 7)]);
            bytes.AddRange(text);
            bytes.AddRange(tensor);
        }
        Entry("bf16", 15, 1, 2, 0x80, 0x3f, 0x00, 0xc0);
        Entry("half", 5, 1, 1, 0x00, 0x3c);
        Entry("scalar.num_batches_tracked", 4, 0, 7, 0, 0, 0, 0, 0, 0, 0);
        Entry("bool", 11, 1, 2, 1, 0);
        Entry("complex", 9, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0);
        Entry("none", 6, 2, 0, 3);
        Entry(new string('ü', 100), [0, 1, 0x81, 1, .. Enumerable.Repeat((byte)5, 129)]);
        Entry("shared", 1, 1, 1, 255);
        Entry("shared", 1, 1, 1, 255);
        using var file = Open([.. bytes]);
        Assert.That(file.Tensors.Select(t => t.Name), Is.EqualTo(new[] { "bf16", "half", "scalar.num_batches_tracked", "bool", "none", new string('ü', 100), "shared" }), "complex numbers are left out");
        Assert.That(file.ReadFloat("bf16"), Is.EqualTo(new[] { 1f, -2f }));
        Assert.That(file.ReadFloat("half"), Is.EqualTo(new[] { 1f }));
        Assert.That(file.ReadInt64("scalar.num_batches_tracked"), Is.EqualTo(new[] { 7L }));
        Assert.That(file.ReadInt64("bool"), Is.EqualTo(new[] { 1L, 0L }));
        Assert.That(file.ReadFloat("none"), Is.Empty);
        Assert.That(file.ReadInt64(new string('ü', 100)), Has.Length.EqualTo(129).And.All.EqualTo(5));
        Assert.That(file.ReadInt64("shared"), Is.EqualTo(new[] { -1L }));
    }

    [Test]
    public void A_count_of_256_is_no_pickle()
    {
        var bytes = new List<byte> { 0x80, 0x02 };
        for (int i = 0; i < 256; i++) bytes.AddRange([4, .. Encoding.ASCII.GetBytes($"w{i:000}"), 6, 1, 1, 0, 0, 0x80, 0x3f]);
        using var file = Open([.. bytes]);
        Assert.That(file.Tensors, Has.Count.EqualTo(256));
        Assert.That(file.ReadFloat("w255"), Is.EqualTo(new[] { 1f }));
    }

    [Test]
    public void A_tensor_alone_is_read()
    {
        using var file = Open([6, 2, 1, 2, 0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]);
        Assert.That(file.Container, Is.EqualTo("TorchSharp tensor"));
        Assert.That(file.ReadFloat("tensor"), Is.EqualTo(new[] { 1f, 2f }));
    }

    [Test]
    public void What_is_cut_short_or_an_optimiser_is_called_so()
    {
        Assert.That(() => Open(Linear[..^1]), Throws.InstanceOf<CheckpointException>().With.Message.Contains("cut short").And.Message.Contains("'bias' [2]"));
        Assert.That(() => Open(Linear[..20]), Throws.InstanceOf<CheckpointException>().With.Message.Contains("cut short").And.Message.Contains("'weight' [2,3]"));
        Assert.That(() => Open([5, .. "AdamW"u8, 1, 2, 0, 0, 0, 0]), Throws.InstanceOf<CheckpointException>().With.Message.Contains("optimiser AdamW"));
        Assert.That(() => Open([.. Linear, 0]), Throws.InstanceOf<CheckpointException>());
    }

    [Test]
    public void No_damage_is_more_than_an_error()
    {
        var random = new Random(5);
        for (int i = 0; i < 400; i++)
        {
            byte[] bytes = [.. Linear];
            for (int k = random.Next(1, 4); k > 0; k--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            try
            {
                using var file = Open(bytes);
                foreach (var tensor in file.Tensors) Assert.That(tensor.ByteLength, Is.LessThanOrEqualTo(bytes.Length));
            }
            catch (CheckpointException)
            {
            }
        }
        Assert.That(() => Open([1, 1, (byte)'w', 6, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
            Throws.InstanceOf<CheckpointException>(), "extents whose product no number holds");
    }

    private CheckpointFile Open(byte[] bytes)
    {
        File.WriteAllBytes(_path, bytes);
        return CheckpointFile.Open(_path);
    }
}
