using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

public sealed class SafetensorsSumsTests
{
    [Test]
    public void EveryFlippedBitIsFound()
    {
        byte[] whole = Written();
        Assert.That(Read(whole), Is.EqualTo(new float[] { 1, 2, 3, 0.5f }));
        int key = whole.AsSpan().IndexOf("crc32c"u8), missed = 0;
        for (int bit = 0; bit < 8 * whole.Length; bit++)
        {
            // Under another name the sums are a text like any other; everything else is whole then.
            if (bit / 8 >= key && bit / 8 < key + 6) continue;
            byte[] damaged = [.. whole];
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            try
            {
                _ = Read(damaged);
                missed++;
            }
            catch (CheckpointException)
            {
            }
        }
        Assert.That(missed, Is.Zero);
    }

    [Test]
    public void TheMessageNamesTheTensorAndAChangedHeaderItsKey()
    {
        byte[] data = Written(), header = Written();
        data[^1] ^= 1;
        header[header.AsSpan().IndexOf("\"b\""u8) + 1] = (byte)'c';
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => Read(data), Throws.TypeOf<CheckpointException>().With.Message.Contains("'two'").And.Message.Contains("check sum"));
            Assert.That(() => Read(header), Throws.TypeOf<CheckpointException>().With.Message.Contains("header").And.Message.Contains("crc32c"));
            using var file = Open(Written());
            Assert.That(file.Metadata, Is.EqualTo(new Dictionary<string, string> { ["a"] = "b" }), "the sums are no part of what was given");
        }
    }

    private static byte[] Written()
    {
        string path = Path.GetTempFileName();
        try
        {
            SafetensorsWriter.Write(
                path, [TensorEntry.Of("one", [3], new float[] { 1, 2, 3 }), TensorEntry.Of("two", [], new float[] { 0.5f })], new Dictionary<string, string> { ["a"] = "b" }, checksums: true);
            return File.ReadAllBytes(path);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static SafetensorsFile Open(byte[] bytes) => SafetensorsFile.Open(new MemoryStream(bytes), "a file");

    private static float[] Read(byte[] bytes)
    {
        using var file = Open(bytes);
        return [.. file.ReadFloat("one"), .. file.ReadFloat("two")];
    }
}
