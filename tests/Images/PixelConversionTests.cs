using NativeDiffusion.Model.Images;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Images;

public sealed class PixelConversionTests
{
    [Test]
    public void TruncatesAndClamps()
    {
        float[] values = [-1f, -2f, 1f, 3f, 0f, 0.5f, -0.9961f, float.NaN, float.NegativeInfinity, float.PositiveInfinity];
        byte[] bytes = new byte[values.Length];
        PixelConversion.ToByte(values, bytes);
        Assert.That(bytes, Is.EqualTo(new byte[] { 0, 0, 255, 255, 127, 191, 0, 0, 0, 255 }));
    }

    [Test]
    public void BytesComeBackWithinOne()
    {
        byte[] all = Enumerable.Range(0, 256).Select(value => (byte)value).ToArray(), back = new byte[256];
        float[] values = new float[256];
        PixelConversion.ToFloat(all, values);
        Assert.That((values[0], values[255]), Is.EqualTo((-1f, 1f)));
        PixelConversion.ToByte(values, back);
        for (int i = 0; i < 256; i++)
            Assert.That(i - back[i], Is.InRange(0, 1));
    }
}
