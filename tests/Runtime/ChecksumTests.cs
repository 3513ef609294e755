using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

public sealed class ChecksumTests
{
    // RFC 3720, appendix B.4, and the check value of the CRC catalogue.
    [Test]
    public void PublishedValues()
    {
        Assert.That(Checksum.Of("123456789"u8), Is.EqualTo(0xE3069283));
        Assert.That(Checksum.Of(new byte[32]), Is.EqualTo(0x8A9136AA));
    }

    [Test]
    public void PiecesOfAnyLengthGiveTheSumOfTheWhole()
    {
        byte[] bytes = new byte[1000];
        new Random(1).NextBytes(bytes);
        foreach (int piece in new[] { 1, 3, 8, 13, 999 })
        {
            var sum = new Checksum();
            for (int i = 0; i < bytes.Length; i += piece) sum.Add(bytes.AsSpan(i, Math.Min(piece, bytes.Length - i)));
            Assert.That(sum.Value, Is.EqualTo(Checksum.Of(bytes)));
        }
    }
}
