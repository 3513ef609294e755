using System.Buffers.Binary;
using System.IO.Compression;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

/// <summary>Archives whose directory lies.</summary>
public sealed class ZipHostileTests
{
    private const int End = 22;

    private static byte[] Sound => TorchBytes.Zip(TorchBytes.OneTensor(4, 0, [4], [1]), new byte[16]);

    private static string Refused(byte[] bytes)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        string message = Assert.Throws<CheckpointException>(() =>
        {
            using var file = TorchBytes.Open(bytes);
            foreach (var tensor in file.Tensors) file.ReadFloat(tensor.Name);
        })!.Message;
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(16 << 20));
        return message;
    }

    // Position of the directory's entry number i, from the end of an archive without comment.
    private static int Entry(byte[] zip, int number)
    {
        int at = BinaryPrimitives.ReadInt32LittleEndian(zip.AsSpan(zip.Length - End + 16));
        for (; number > 0; number--)
            at += 46 + zip[at + 28] + zip[at + 30] + zip[at + 32];
        return at;
    }

    private static byte[] With(int entry, int field, uint value, int size = 4)
    {
        byte[] zip = Sound;
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        bytes[..size].CopyTo(zip.AsSpan(Entry(zip, entry) + field));
        return zip;
    }

    [Test]
    public void The_sound_archive_is_read()
    {
        using var file = TorchBytes.Open(Sound);
        Assert.That(file.ReadFloat("x"), Is.EqualTo(new float[4]));
    }

    [TestCase(1, 42, 0u, 4, "overlaps")]
    [TestCase(1, 42, 0x7FFFFFFFu, 4, "outside the file")]
    [TestCase(1, 42, 0xFFFFFFFFu, 4, "outside the file")]
    [TestCase(1, 42, 3u, 4, "overlaps")]
    [TestCase(1, 20, 0x7FFFFFFFu, 4, "outside the file")]
    [TestCase(1, 20, 17u, 4, "which cannot be")]
    [TestCase(1, 24, 0xFFFFFFF0u, 4, "which cannot be")]
    [TestCase(1, 10, 8u, 2, "does not fit its entry")]
    [TestCase(1, 10, 12u, 2, "method 12")]
    [TestCase(1, 8, 1u, 2, "encrypted")]
    [TestCase(1, 28, 0xFFFFu, 2, "cut short")]
    [TestCase(1, 0, 0u, 4, "entry 1 of its directory is damaged")]
    public void A_lying_entry_is_refused(int entry, int field, uint value, int size, string message) =>
        Assert.That(Refused(With(entry, field, value, size)), Does.Contain(message));

    [TestCase(10, 0xFFF0u, "is not that of a checkpoint")]
    [TestCase(12, 0x7FFFFFFFu, "outside the file")]
    [TestCase(16, 0x7FFFFFFFu, "outside the file")]
    [TestCase(0, 0u, "no directory at its end")]
    public void A_lying_end_is_refused(int field, uint value, string message)
    {
        byte[] zip = Sound;
        if (field == 10) BinaryPrimitives.WriteUInt16LittleEndian(zip.AsSpan(zip.Length - End + field), (ushort)value);
        else BinaryPrimitives.WriteUInt32LittleEndian(zip.AsSpan(zip.Length - End + field), value);
        Assert.That(Refused(zip), Does.Contain(message));
    }

    [Test]
    public void A_bomb_inflates_no_more_than_it_says()
    {
        // 64 MB of zeros where the pickle should be: the size is true, and the first byte is no pickle.
        Assert.That(Refused(TorchBytes.Zip(new byte[8 << 20], new byte[8], CompressionLevel.SmallestSize)), Does.Contain("opcode 0x00"));
    }

    [Test]
    public void An_archive_of_something_else_says_what_is_expected()
    {
        using MemoryStream stream = new();
        using (ZipArchive archive = new(stream, ZipArchiveMode.Create, leaveOpen: true)) archive.CreateEntry("word/document.xml");
        Assert.That(Refused(stream.ToArray()), Does.Contain("neither PyTorch's data.pkl nor NumPy's"));
    }

    [TestCase("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4611686018427387904), }", "more than 2^63")]
    [TestCase("{'descr': '<f4', 'fortran_order': True, 'shape': (9223372036854775807, 9223372036854775807, 0), }", "0 bytes")]
    [TestCase("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", "which needs 12")]
    [TestCase("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }", "the size '-3'")]
    [TestCase("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", "'|O'")]
    [TestCase("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "is not supported")]
    [TestCase("{'descr': '<f4', 'fortran_order': 2, 'shape': (2,), }", "fortran_order is '2'")]
    [TestCase("{}", "no 'descr'")]
    public void A_lying_array_is_refused(string header, string message)
    {
        byte[] bytes = [.. NpyHeader.Magic, 1, 0, (byte)header.Length, 0, .. System.Text.Encoding.ASCII.GetBytes(header), .. new byte[8]];
        Assert.That(Refused(bytes), Does.Contain(message).Or.Contain("needs 0"));
    }

    [TestCase("<f4", new byte[] { 0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 64, 64, 0, 0, 128, 64 }, new[] { 1f, 3, 2, 4 })]
    [TestCase(">i2", new byte[] { 0, 1, 0, 2, 0, 3, 0xFF, 0xFC }, new[] { 1f, 3, 2, -4 })]
    public void Fortran_order_and_big_endian_arrays_are_read(string type, byte[] data, float[] expected)
    {
        string header = $"{{'descr': '{type}', 'fortran_order': True, 'shape': (2, 2), }}";
        byte[] bytes = [.. NpyHeader.Magic, 1, 0, (byte)header.Length, 0, .. System.Text.Encoding.ASCII.GetBytes(header), .. data];
        using var file = TorchBytes.Open(bytes);
        Assert.That(file.ReadFloat("arr_0"), Is.EqualTo(expected));
    }
}
