using NativeDiffusion.Model;
using NativeDiffusion.Model.Images;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Images;

public sealed class PixelConversionTests
{
    [Test]
    public void RoundsAndClamps()
    {
        float[] values = [-1f, -2f, 1f, 3f, 0f, 0.5f, -0.9961f, -0.9960f, float.NaN, float.NegativeInfinity, float.PositiveInfinity];
        byte[] bytes = new byte[values.Length];
        PixelConversion.ToByte(values, bytes);
        Assert.That(bytes, Is.EqualTo(new byte[] { 0, 0, 255, 255, 128, 191, 0, 1, 0, 0, 255 }));
    }

    [Test]
    public void TruncatesAsTheAdmSampler()
    {
        float[] values = [-1f, -2f, 1f, 3f, 0f, 0.5f, -0.9961f, float.NaN, float.NegativeInfinity, float.PositiveInfinity];
        byte[] bytes = new byte[values.Length];
        PixelConversion.ToByte(values, bytes, PixelConversion.Truncation);
        Assert.That(bytes, Is.EqualTo(new byte[] { 0, 0, 255, 255, 127, 191, 0, 0, 0, 255 }));
    }

    [Test]
    public void EveryByteComesBack()
    {
        byte[] all = [.. Enumerable.Range(0, 256).Select(value => (byte)value)], back = new byte[256];
        float[] values = new float[256];
        PixelConversion.ToFloat(all, values);
        Assert.That((values[0], values[255]), Is.EqualTo((-1f, 1f)));
        PixelConversion.ToByte(values, back);
        Assert.That(back, Is.EqualTo(all));
        Assert.That(PixelConversion.ToImage(values, 16, 1, 16).Pixels.ToArray(), Is.EqualTo(all));
        Assert.That(new DiffusionSettings().PixelOffset, Is.EqualTo(PixelConversion.Rounding), "what a model of this tool's training is drawn with");
    }
}
