using System.Runtime.Intrinsics.X86;
using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Kernels;

/// <summary>Every member of <see cref="ILanes{TSelf}"/> against scalar arithmetic, at each width that the processor has.</summary>
public sealed class LanesTests
{
    private static readonly ILanesCheck[] Widths =
    [
        new LanesCheck<Lanes128>("128"),
        .. Fma.IsSupported && Avx2.IsSupported ? [new LanesCheck<Lanes256>("256")] : Array.Empty<ILanesCheck>(),
        .. Avx512F.IsSupported ? [new LanesCheck<Lanes512>("512")] : Array.Empty<ILanesCheck>(),
    ];

    private static readonly float[] Special =
    [
        0f, -0f, 1f, -1f, 0.5f, 1.5f, 2.5f, -2.5f, 3.4999998f, 1e-38f, 1e-42f, -3e38f, 3e38f, float.PositiveInfinity, float.NegativeInfinity,
        8388607.5f, 16777216f, 1e-7f, 7f, -0.49999997f,
    ];

    [TestCaseSource(nameof(Widths))]
    public void Loads_and_stores_move_the_elements_and_nothing_else(ILanesCheck width) => width.LoadsAndStores();

    [TestCaseSource(nameof(Widths))]
    public void Arithmetic_is_that_of_scalars(ILanesCheck width)
    {
        var random = new Random(1);
        for (int round = 0; round < 300; round++)
        {
            float[] Fill() => [.. Enumerable.Range(0, 16).Select(_ => random.Next(4) == 0
                ? Special[random.Next(Special.Length)]
                : (float)((random.NextDouble() - 0.5) * Math.Pow(2, random.Next(-20, 20))))];
            width.Arithmetic(Fill(), Fill(), Fill());
        }
    }

    [TestCaseSource(nameof(Widths))]
    public void Sums_halve_in_a_fixed_order(ILanesCheck width) => width.Reductions();

    [TestCaseSource(nameof(Widths))]
    public void Powers_of_two_are_exact(ILanesCheck width) => width.PowersOfTwo();

    [TestCaseSource(nameof(Widths))]
    public void Selection_of_NaN_takes_the_second(ILanesCheck width) => width.Selection();

    [TestCaseSource(nameof(Widths))]
    public void Exp_is_within_two_ulp_from_minus_87_to_88(ILanesCheck width)
    {
        double worst = 0;
        for (int i = 0; i <= 350_000; i += 1)
        {
            float x = Math.Min(88f, -87f + i * 5e-4f);
            double expected = Math.Exp(x);
            worst = Math.Max(worst, Math.Abs(width.Exp(x) - expected) / expected);
        }
        Assert.That(worst, Is.LessThan(4e-7));
    }

    [TestCaseSource(nameof(Widths))]
    public void Exp_is_clamped_to_normal_numbers_and_keeps_NaN(ILanesCheck width)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(width.Exp(0f), Is.EqualTo(1f));
            Assert.That(width.Exp(float.NegativeInfinity), Is.EqualTo(width.Exp(-87f)));
            Assert.That(width.Exp(-1e30f), Is.EqualTo(width.Exp(-87f)));
            Assert.That(width.Exp(float.PositiveInfinity), Is.EqualTo(width.Exp(88f)));
            Assert.That(float.IsNormal(width.Exp(-87f)) && float.IsNormal(width.Exp(88f)));
            Assert.That(width.Exp(float.NaN), Is.NaN);
        }
    }

    [TestCaseSource(nameof(Widths))]
    public void Exp2_of_attention_is_within_two_ulp_and_ends_in_zero(ILanesCheck width)
    {
        double worst = 0;
        for (int i = 0; i <= 100_000; i++)
        {
            float x = -125 + i * 1.26e-3f;
            double expected = Math.Pow(2, x);
            worst = Math.Max(worst, Math.Abs(width.Exp2(x) - expected) / expected);
        }
        using (Assert.EnterMultipleScope())
        {
            Assert.That(worst, Is.LessThan(2.4e-7));
            Assert.That(width.Exp2(0), Is.EqualTo(1f));
            Assert.That(width.Exp2(-127), Is.InRange(0f, 2e-38f));
            Assert.That(width.Exp2(-1e9f), Is.InRange(0f, 2e-38f));
            Assert.That(width.Exp2(float.MinValue), Is.InRange(0f, 2e-38f));
            Assert.That(width.Exp2(float.NaN), Is.NaN);
        }
    }

    [TestCaseSource(nameof(Widths))]
    public void Exponentials_of_negative_numbers_are_accurate_also_near_0(ILanesCheck width)
    {
        double worst = 0, worstComplement = 0;
        for (int i = 0; i <= 100_000; i++)
        {
            // Evenly from 0 to 86, and by ratios from 1e-30 to 1.
            float x = i % 2 == 0 ? i * 8.6e-4f : (float)Math.Pow(10, -30 + 3e-4 * i);
            double expected = Math.Exp(-x), complement = -(Math.Exp(-x) - 1);
            if (x < 1e-3) complement = x * (1 - x * (0.5 - x / 6.0));
            // Where multiply-adds are not fused, n ln 2 is rounded.
            worst = Math.Max(worst, Math.Abs(width.ExpMinus(x) - expected) / expected / (1 + x / 10));
            worstComplement = Math.Max(worstComplement, Math.Abs(width.OneMinusExpMinus(x) - complement) / Math.Max(complement, 1e-37));
        }
        using (Assert.EnterMultipleScope())
        {
            Assert.That(worst, Is.LessThan(6e-7));
            Assert.That(worstComplement, Is.LessThan(3e-7));
            Assert.That(width.OneMinusExpMinus(0f), Is.Zero);
            Assert.That(width.OneMinusExpMinus(float.PositiveInfinity), Is.EqualTo(1f));
            Assert.That(width.OneMinusExpMinus(float.NaN), Is.NaN);
            Assert.That(width.ExpMinus(float.PositiveInfinity), Is.InRange(0f, 2e-38f));
            Assert.That(width.ExpMinus(float.NaN), Is.NaN);
        }
    }

    [TestCaseSource(nameof(Widths))]
    public void Sigmoid_has_its_limits_and_symmetry(ILanesCheck width)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(width.Sigmoid(0f), Is.EqualTo(0.5f));
            Assert.That(width.Sigmoid(100f), Is.EqualTo(1f));
            Assert.That(width.Sigmoid(-100f), Is.InRange(0f, 1e-38f));
            Assert.That(width.Sigmoid(float.PositiveInfinity), Is.EqualTo(1f));
            Assert.That(width.Sigmoid(float.NegativeInfinity), Is.InRange(0f, 1e-38f));
            Assert.That(width.Sigmoid(float.NaN), Is.NaN);
        }
        for (float x = -30; x <= 30; x += 0.013f)
        {
            double expected = 1 / (1 + Math.Exp(-x));
            Assert.That(width.Sigmoid(x), Is.EqualTo(expected).Within(6e-7 * expected), $"sigmoid({x:g9})");
        }
    }
}
