using System.Buffers.Binary;
using System.IO.Compression;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

/// <summary>Files made to do harm: refused with a clear message, after bounded reading and in bounded memory, and never executed.</summary>
public sealed class TorchHostileTests
{
    private const long Huge = 1L << 62;

    private static string Refused(byte[] bytes)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        var counted = new CountedBytes(bytes);
        var error = Assert.Throws<CheckpointException>(() => CheckpointContainer.Open(counted, "hostile").Dispose())!;
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(64 << 20));
        Assert.That(counted.BytesRead, Is.LessThanOrEqualTo(CountedBytes.Bound(bytes)));
        Assert.That(error.Message, Does.StartWith("hostile").And.Length.LessThan(1000));
        return error.Message;
    }

    // os.system('touch ...') as the value of a key, as a parameter's tensor, as a storage, and as the whole content.
    private static readonly string Call = "cos\nsystem\n(X\u000b\0\0\0touch /nd-xtR";

    private static IEnumerable<TestCaseData> Calls()
    {
        yield return new TestCaseData($"}}X\u0001\0\0\0x{Call}s");
        yield return new TestCaseData($"}}X\u0001\0\0\0xctorch._utils\n_rebuild_parameter\n({Call}\u0088}}tRs");
        yield return new TestCaseData($"}}X\u0001\0\0\0xctorch._utils\n_rebuild_tensor_v2\n({Call}K\0K\u0001\u0085K\u0001\u0085\u0089}}tRs");
        yield return new TestCaseData($"}}X\u0001\0\0\0x{Call}}}X\u0005\0\0\0stateNsbs");
        yield return new TestCaseData("}X\u0001\0\0\0xcbuiltins\neval\nX\u0001\0\0\01\u0085\u0081s");
    }

    [Test]
    public void A_pickle_of_a_call_alone_is_named() => Assert.That(
        () => TorchBytes.Open(TorchBytes.Pickle(Call)), Throws.TypeOf<CheckpointException>().With.Message.Contains("no tensors").And.Message.Contains("'os.system'"));

    [TestCaseSource(nameof(Calls))]
    public void Calls_stay_records_and_no_tensor(string opcodes)
    {
        byte[] pickle = TorchBytes.Pickle(opcodes);
        using (var file = TorchBytes.Open(TorchBytes.Zip(pickle, new byte[8])))
        {
            Assert.That(file.Tensors, Is.Empty);
            Assert.That(() => file.ReadFloat("x"), Throws.TypeOf<CheckpointException>().With.Message.Contains("there is no tensor 'x'; it holds none"));
        }
        // A pickle alone that holds nothing of a checkpoint, not even a word on a training, is none.
        try
        {
            using var alone = TorchBytes.Open(pickle);
            Assert.That(alone.Tensors, Is.Empty);
        }
        catch (CheckpointException e)
        {
            Assert.That(e.Message, Does.Contain("no tensors that are known"));
        }
        Assert.That(File.Exists("/nd-x"), Is.False);
    }

    private static IEnumerable<TestCaseData> Pickles()
    {
        yield return new TestCaseData("]q\0h\0a", "contains itself").SetArgDisplayNames("a list in itself");
        yield return new TestCaseData("}q\0X\u0001\0\0\0ah\0s", "contains itself").SetArgDisplayNames("a dictionary in itself");
        yield return new TestCaseData(new string(']', 200_000) + new string('a', 199_999), "nests deeper").SetArgDisplayNames("200,000 lists");
        yield return new TestCaseData(Doubled(40), "repeated").SetArgDisplayNames("2^40 entries by repetition");
        yield return new TestCaseData("]r\u00ff\u00ff\u00ff\u00ff", "numbers a value 4294967295").SetArgDisplayNames("a huge memo");
        yield return new TestCaseData("h\u0005", "asks for value 5 of 0").SetArgDisplayNames("an empty memo");
        yield return new TestCaseData("a", "empty stack").SetArgDisplayNames("append to nothing");
        yield return new TestCaseData("(]a", "empty stack").SetArgDisplayNames("append across a mark");
        yield return new TestCaseData("t", "did not open").SetArgDisplayNames("tuple without a mark");
        yield return new TestCaseData("}K\u0001a", "not a list").SetArgDisplayNames("append to a dictionary");
        yield return new TestCaseData("]K\u0001K\u0001s", "not a dictionary").SetArgDisplayNames("items into a list");
        yield return new TestCaseData("}(K\u0001u", "without a value").SetArgDisplayNames("a key alone");
        yield return new TestCaseData("}}b", "not an object").SetArgDisplayNames("state of a dictionary");
        yield return new TestCaseData("K\u0001K\u0002\u0093", "not text").SetArgDisplayNames("a global by number");
        yield return new TestCaseData("I7\n", "opcode 0x49").SetArgDisplayNames("text opcode");
        yield return new TestCaseData("(ios\nsystem\n", "opcode 0x69").SetArgDisplayNames("INST");
        yield return new TestCaseData("(cos\nsystem\no", "opcode 0x6F").SetArgDisplayNames("OBJ");
        yield return new TestCaseData("\u0082\u0001", "opcode 0x82").SetArgDisplayNames("EXT1");
        yield return new TestCaseData("X\u00ff\u00ff\u00ff\u007fa", "more bytes").SetArgDisplayNames("a text of 2 GB");
        yield return new TestCaseData("\u008d\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ffa", "more bytes").SetArgDisplayNames("a text of 2^64");
        yield return new TestCaseData("\u008e\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u007fa", "more bytes").SetArgDisplayNames("2^63 bytes");
        yield return new TestCaseData("c" + new string('x', 10_000), "a name of more than").SetArgDisplayNames("a long global");
        yield return new TestCaseData("K\u0001K\u0002", "ends with 2 values").SetArgDisplayNames("two values");
        yield return new TestCaseData("", "ends with 0 values").SetArgDisplayNames("no value");
        yield return new TestCaseData("\u0080\u0009N", "protocol 9").SetArgDisplayNames("a future protocol");
    }

    // Each list holds the one before twice.
    private static string Doubled(int levels) =>
        $"]q\00{string.Concat(Enumerable.Range(0, levels).Select(i => $"](h{(char)i}h{(char)i}eq{(char)(i + 1)}0"))}h{(char)levels}";

    [TestCaseSource(nameof(Pickles))]
    public void A_hostile_pickle_is_refused(string opcodes, string message)
    {
        byte[] pickle = TorchBytes.Pickle(opcodes);
        Assert.That(Refused(pickle), Does.Contain(message));
        Assert.That(Refused(TorchBytes.Zip(pickle, new byte[8])), Does.Contain(message));
    }

    private static IEnumerable<TestCaseData> Tensors()
    {
        yield return new TestCaseData(4L, 0L, new long[] { 5 }, new long[] { 1 }, "outside its storage of 4");
        yield return new TestCaseData(4L, 4L, new long[] { 1 }, new long[] { 1 }, "outside its storage");
        yield return new TestCaseData(4L, -1L, new long[] { 1 }, new long[] { 1 }, "outside its storage");
        yield return new TestCaseData(4L, Huge, new long[] { 1 }, new long[] { 1 }, "outside its storage");
        yield return new TestCaseData(4L, 0L, new long[] { 2 }, new long[] { 4 }, "outside its storage");
        yield return new TestCaseData(4L, 0L, new long[] { 2 }, new[] { Huge }, "outside its storage");
        yield return new TestCaseData(4L, 0L, new[] { Huge, Huge, Huge }, new[] { Huge, Huge, Huge }, "outside its storage");
        yield return new TestCaseData(4L, 0L, new[] { Huge, 4 }, new long[] { 0, 1 }, "outside its storage");
        yield return new TestCaseData(4L, 0L, new[] { 1L << 40, 4 }, new long[] { 0, 1 }, "repeats stored data");
        yield return new TestCaseData(4L, 0L, new long[] { 2 }, new long[] { -1 }, "not a number from 0");
        yield return new TestCaseData(4L, 0L, new long[] { -2 }, new long[] { 1 }, "not a number from 0");
        yield return new TestCaseData(4L, 0L, new long[] { 2, 2 }, new long[] { 1 }, "2 extents but 1 strides");
        yield return new TestCaseData(4L, 0L, Enumerable.Repeat(1L, 33).ToArray(), Enumerable.Repeat(1L, 33).ToArray(), "33 extents");
        yield return new TestCaseData(5L, 0L, new long[] { 1 }, new long[] { 1 }, "should have 20 bytes but has 16");
        yield return new TestCaseData(-1L, 0L, new long[] { 1 }, new long[] { 1 }, "says -1 elements");
        yield return new TestCaseData(Huge, 0L, new long[] { 1 }, new long[] { 1 }, "elements");
    }

    [TestCaseSource(nameof(Tensors))]
    public void A_tensor_outside_its_storage_is_refused(long count, long offset, long[] shape, long[] strides, string message) =>
        Assert.That(Refused(TorchBytes.Zip(TorchBytes.OneTensor(count, offset, shape, strides), new byte[16])), Does.Contain(message));

    [TestCase("1")]
    [TestCase("../data.pkl")]
    [TestCase("0\n")]
    public void A_storage_that_is_not_there_is_refused(string key) =>
        Assert.That(Refused(TorchBytes.Zip(TorchBytes.OneTensor(4, 0, [4], [1], key), new byte[16])), Does.Contain("there is no storage"));

    [Test]
    public void Two_tensors_with_one_name_are_refused()
    {
        byte[] pickle = TorchBytes.Pickle(p => TorchBytes.Dictionary(p, () =>
        {
            TorchBytes.Tensor(p, "x", 4, 0, [4], [1]);
            TorchBytes.Tensor(p, "x", 4, 0, [2], [1]);
        }));
        Assert.That(Refused(TorchBytes.Zip(pickle, new byte[16])), Does.Contain("two tensors with the name 'x'"));
    }

    [Test]
    public void Repeated_views_are_refused_before_they_could_fill_a_disk()
    {
        byte[] storage = new byte[1 << 20];
        byte[] pickle = TorchBytes.Pickle(p => TorchBytes.Dictionary(p, () =>
        {
            for (int i = 0; i < 1000; i++) TorchBytes.Tensor(p, $"x{i}", 1 << 18, 0, [1 << 18], [1]);
        }));
        Assert.That(Refused(TorchBytes.Zip(pickle, storage)), Does.Contain("repeats stored data"));
    }

    [Test]
    public void Small_views_of_large_compressed_storages_are_refused()
    {
        // A megabyte is inflated for each of them.
        byte[] pickle = TorchBytes.Pickle(p => TorchBytes.Dictionary(p, () =>
        {
            for (int i = 0; i < 1000; i++) TorchBytes.Tensor(p, $"x{i}", 1 << 18, (1 << 18) - 1, [1], [1]);
        }));
        Assert.That(Refused(TorchBytes.Zip(pickle, new byte[1 << 20], CompressionLevel.Fastest)), Does.Contain("compressed and shared"));
    }

    [TestCase("torch_zip.pt")]
    [TestCase("torch_legacy.pt")]
    [TestCase("torch_script.pt")]
    [TestCase("edm.pkl")]
    [TestCase("edm.expected.npz")]
    public void Every_truncation_is_refused(string name)
    {
        byte[] bytes = File.ReadAllBytes(TorchFileTests.Data(name));
        for (int length = 0; length < bytes.Length; length++)
            Assert.That(() => TorchBytes.Open(bytes[..length]), Throws.TypeOf<CheckpointException>(), $"{length} of {bytes.Length} bytes");
    }

    [Test]
    public void Many_tiny_keys_take_bounded_reading_and_memory([Values(100_000)] int count) => ReadTinyKeys(count);

    [Explicit("Takes a gigabyte.")]
    [Category("Fuzz")]
    [Test]
    public void A_million_tiny_keys() => ReadTinyKeys(1_000_000);

    private static void ReadTinyKeys(int count)
    {
        byte[] pickle = TorchBytes.Pickle(p => TorchBytes.Dictionary(p, () =>
        {
            for (int i = 0; i < count; i++) TorchBytes.Tensor(p, $"k{i}", count, i, [1], [1]);
        }));
        byte[] bytes = TorchBytes.Zip(pickle, new byte[4 * count]);
        var counted = new CountedBytes(bytes);
        long before = GC.GetAllocatedBytesForCurrentThread();
        using var file = CheckpointContainer.Open(counted, "tiny keys");
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(4000L * count));
        Assert.That(counted.BytesRead, Is.LessThanOrEqualTo(CountedBytes.Bound(bytes)), "every byte a few times at most, however many keys there are");
        Assert.That(file.Tensors, Has.Count.EqualTo(count));
        Assert.That(file.ReadFloat($"k{count - 1}"), Has.Length.EqualTo(1));
    }

    [Test]
    public void Big_endian_storages_are_turned_round()
    {
        using MemoryStream stream = new();
        using (ZipArchive archive = new(stream, ZipArchiveMode.Create, leaveOpen: true))
            foreach ((string name, byte[] content) in new[] { ("a/data.pkl", TorchBytes.OneTensor(2, 1, [1], [1])), ("a/byteorder", "big"u8.ToArray()), ("a/data/0", [0, 0, 0, 0, 0x3F, 0x80, 0, 0]) })
                using (Stream entry = archive.CreateEntry(name).Open())
                    entry.Write(content);
        using var file = TorchBytes.Open(stream.ToArray());
        Assert.That(file.ReadFloat("x"), Is.EqualTo(new[] { 1f }));
    }

    [Test]
    public void Elements_far_apart_are_fetched_one_by_one()
    {
        byte[] storage = new byte[16 << 20];
        for (int i = 0; i < 4; i++) BinaryPrimitives.WriteSingleLittleEndian(storage.AsSpan(i * (4 << 20)), i + 1);
        byte[] pickle = TorchBytes.OneTensor(4 << 20, 0, [2, 2], [1 << 20, 2 << 20]);
        using var file = TorchBytes.Open(TorchBytes.Zip(pickle, storage));
        Assert.That(file.ReadFloat("x"), Is.EqualTo(new[] { 1f, 3f, 2f, 4f }));
        using var compressed = TorchBytes.Open(TorchBytes.Zip(pickle, storage, CompressionLevel.Fastest));
        Assert.That(() => compressed.ReadFloat("x"), Throws.TypeOf<CheckpointException>().With.Message.Contains("far apart in compressed data"));
    }
}
