using NativeDiffusion.Model;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model;

public sealed class FiniteNumbersTests
{
    [Test]
    public void TheFirstOtherIsFoundWhereverItStands()
    {
        foreach (float other in new[] { float.NaN, -float.NaN, float.PositiveInfinity, float.NegativeInfinity })
            for (int at = 0; at < 67; at++)
            {
                float[] values = [.. Enumerable.Range(0, 67).Select(i => i % 2 == 0 ? float.MaxValue : -float.Epsilon)];
                Assert.That(FiniteNumbers.FirstOther(values), Is.EqualTo(-1));
                values[at] = other;
                Assert.That(FiniteNumbers.FirstOther(values), Is.EqualTo(at));
            }
        Assert.That(FiniteNumbers.FirstBeyond([1, -65504, 65505], 65504), Is.EqualTo(2));
        Assert.That(FiniteNumbers.FirstBeyond([1, -65504, 65504], 65504), Is.EqualTo(-1));
    }
}
