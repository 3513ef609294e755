using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Emulator;

/// <summary>Kernels divide by a product and a shift: exact for every divisor and every value that is not negative.</summary>
[TestFixture]
public sealed class DivisorTests
{
    private static readonly int[] Large = [641, 46_340, 46_341, 65_535, 65_536, 65_537, 1 << 30, (1 << 30) + 1, int.MaxValue - 1, int.MaxValue];

    [Test]
    public void Divides_as_division_does()
    {
        var random = new Random(3);
        foreach (int divisor in Enumerable.Range(1, 600).Concat(Large))
        {
            var reciprocal = new Divisor(divisor);
            int last = int.MaxValue / divisor * divisor;
            int[] values = [0, 1, divisor - 1, divisor, last - 1, last, int.MaxValue, .. Enumerable.Range(0, 50).Select(_ => random.Next())];
            foreach (int value in values)
                if (reciprocal.Divide(value) != value / divisor)
                    Assert.Fail($"{value} / {divisor} gave {reciprocal.Divide(value)}.");
        }
    }
}
