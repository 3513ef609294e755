using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

/// <summary>A dictionary of NumPy's arrays, written by Python's pickle: (2, 3) of 0 to 5 by rows, by columns, big-endian, and two integers.</summary>
public sealed class PickledArrayTests
{
    private const string Protocol4 =
        "gASVqQEAAAAAAAB9lCiMBXBsYWlulIwVbnVtcHkuY29yZS5tdWx0aWFycmF5lIwMX3JlY29uc3RydWN0lJOUjAVudW1weZSMB25kYXJyYXmUk5RLAIWUQwFilIeUUpQoSwFLAksDhpRoBYwFZHR5cGWUk5SMAmY0lImIh5RSlChLA4wBPJROTk5K/////0r/////SwB0lGKJQxgAAAAAAACAPwAAAEAAAEBAAACAQAAAoECUdJRijAdjb2x1bW5zlGgEaAdLAIWUaAmHlFKUKEsBSwJLA4aUaBGIQxgAAAAAAABAQAAAgD8AAIBAAAAAQAAAoECUdJRijANiaWeUaARoB0sAhZRoCYeUUpQoSwFLAksDhpRoDowCZjSUiYiHlFKUKEsDjAE+lE5OTkr/////Sv////9LAHSUYolDGAAAAAA/gAAAQAAAAEBAAABAgAAAQKAAAJR0lGKMBGludHOUaARoB0sAhZRoCYeUUpQoSwFLAoWUaA6MAmk4lImIh5RSlChLA2gSTk5OSv////9K/////0sAdJRiiUMQAQAAAAAAAAD+/////////5R0lGJ1Lg==";

    private const string Protocol5 =
        "gAWVhwEAAAAAAAB9lCiMBXBsYWlulIwSbnVtcHkuY29yZS5udW1lcmljlIwLX2Zyb21idWZmZXKUk5QolhgAAAAAAAAAAAAAAAAAgD8AAABAAABAQAAAgEAAAKBAlIwFbnVtcHmUjAVkdHlwZZSTlIwCZjSUiYiHlFKUKEsDjAE8lE5OTkr/////Sv////9LAHSUYksCSwOGlIwBQ5R0lFKUjAdjb2x1bW5zlGgEKJYYAAAAAAAAAAAAAAAAAEBAAACAPwAAgEAAAABAAACgQJRoC0sCSwOGlIwBRpR0lFKUjANiaWeUaAQolhgAAAAAAAAAAAAAAD+AAABAAAAAQEAAAECAAABAoAAAlGgIjAJmNJSJiIeUUpQoSwOMAT6UTk5OSv////9K/////0sAdJRiSwJLA4aUaA90lFKUjARpbnRzlGgEKJYQAAAAAAAAAAEAAAAAAAAA/v////////+UaAiMAmk4lImIh5RSlChLA2gMTk5OSv////9K/////0sAdJRiSwKFlGgPdJRSlHUu";

    private const string Protocol2 =
        "gAJ9cQAoWAUAAABwbGFpbnEBY251bXB5LmNvcmUubXVsdGlhcnJheQpfcmVjb25zdHJ1Y3QKcQJjbnVtcHkKbmRhcnJheQpxA0sAhXEEY19jb2RlY3MKZW5jb2RlCnEFWAEAAABicQZYBgAAAGxhdGluMXEHhnEIUnEJh3EKUnELKEsBSwJLA4ZxDGNudW1weQpkdHlwZQpxDVgCAAAAZjRxDomIh3EPUnEQKEsDWAEAAAA8cRFOTk5K/////0r/////SwB0cRJiiWgFWBsAAAAAAAAAAADCgD8AAABAAABAQAAAwoBAAADCoEBxE2gHhnEUUnEVdHEWYnUu";

    [TestCase(Protocol4)]
    [TestCase(Protocol5)]
    public void ArraysAreReadWhateverTheirOrder(string pickle)
    {
        using var file = Open(Convert.FromBase64String(pickle));
        using (Assert.EnterMultipleScope())
        {
            foreach (string name in new[] { "plain", "columns", "big" })
            {
                Assert.That(file.Find(name).Shape, Is.EqualTo(new long[] { 2, 3 }), name);
                Assert.That(file.ReadFloat(name), Is.EqualTo(new float[] { 0, 1, 2, 3, 4, 5 }), name);
            }
            Assert.That(file.ReadInt64("ints"), Is.EqualTo(new long[] { 1, -2 }));
        }
    }

    [Test]
    public void OlderProtocolsAreNamed() => Assert.That(
        Assert.Throws<CheckpointException>(() => Open(Convert.FromBase64String(Protocol2)))!.Message, Does.Contain("'plain'").And.Contain("protocol 3").And.Contain("numpy.savez"));

    [Test]
    public void APickleWithoutTensorsSaysWhatItHolds() => Assert.That(
        Assert.Throws<CheckpointException>(() => Open(TorchBytes.Pickle("c__main__\nThing\n)R")))!.Message, Does.Contain("no tensors").And.Contain("'__main__.Thing'"));

    [Test]
    public void ShortBytesAreRefused()
    {
        byte[] pickle = Convert.FromBase64String(Protocol4);
        int extent = pickle.AsSpan().IndexOf("K\u0002K\u0003"u8);
        pickle[extent + 1] = 9;
        Assert.That(Assert.Throws<CheckpointException>(() => Open(pickle))!.Message, Does.Contain("'plain'").And.Contain("[9,3]"));
    }

    private static CheckpointFile Open(byte[] bytes) => CheckpointContainer.Open(new StreamBytes(new MemoryStream(bytes), leaveOpen: false), "weights.pkl");
}
