using FsCheck;
using FsCheck.Fluent;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

public sealed class MemoryPlannerTests
{
    private static readonly Gen<MemoryPlanner.Lifetime> AnyLifetime =
        from first in Gen.Choose(-1, 30)
        from steps in Gen.Frequency((4, Gen.Choose(0, 5)), (1, Gen.Choose(0, 40)))
        from length in Gen.OneOf(Gen.Choose(1, 40), Gen.Choose(1, 5000), Gen.Elements(16, 32, 64, 1024))
        select new MemoryPlanner.Lifetime(first, first + steps, length);

    [Test]
    public void No_two_live_tensors_share_an_element([Values(0, 1, 64)] int guard) =>
        Prop.ForAll(AnyLifetime.ListOf().ToArbitrary(), list =>
        {
            MemoryPlanner.Lifetime[] items = [.. list];
            long[] offsets = new long[items.Length], again = new long[items.Length];
            long peak = MemoryPlanner.Plan(items, offsets, guard);
            long peakAgain = MemoryPlanner.Plan(items, again, guard);
            if (peak != peakAgain || !offsets.SequenceEqual(again)) return "equal input gave another plan";

            long end = 0;
            for (int i = 0; i < items.Length; i++)
            {
                if (offsets[i] < 0 || offsets[i] % MemoryPlanner.AlignmentFloats != 0) return $"offset {offsets[i]} of item {i}";
                end = Math.Max(end, Aligned(items[i].Length + guard) + offsets[i]);
                for (int j = 0; j < i; j++)
                {
                    bool alive = items[i].First <= items[j].Last && items[j].First <= items[i].Last;
                    bool shared = offsets[i] < offsets[j] + items[j].Length + guard && offsets[j] < offsets[i] + items[i].Length + guard;
                    if (alive && shared) return $"items {j} and {i} at {offsets[j]} and {offsets[i]}";
                }
            }
            if (peak != end) return $"peak {peak} and largest end {end}";
            for (int step = -1; step <= 70; step++)
            {
                long live = items.Where(i => i.First <= step && step <= i.Last).Sum(i => i.Length + guard);
                if (peak < live) return $"peak {peak} below the {live} elements alive in step {step}";
            }
            return "";
        }, 2000);

    // Each step reads the tensor before and writes the next.
    [Test]
    public void A_chain_of_equal_tensors_takes_two_places([Values(2, 3, 50)] int tensors)
    {
        var items = Enumerable.Range(0, tensors).Select(i => new MemoryPlanner.Lifetime(i, i + 1, 100)).ToArray();
        long[] offsets = new long[tensors];
        Assert.That(MemoryPlanner.Plan(items, offsets), Is.EqualTo(2 * Aligned(100)));
        Assert.That(offsets.Distinct().Count(), Is.EqualTo(2));
    }

    [Test]
    public void A_tensor_goes_into_the_lowest_gap_that_is_free_all_its_life()
    {
        MemoryPlanner.Lifetime[] items = [new(0, 9, 320), new(0, 2, 160), new(0, 9, 80), new(3, 9, 160), new(1, 3, 64)];
        long[] offsets = new long[items.Length];
        long peak = MemoryPlanner.Plan(items, offsets);
        Assert.That(offsets, Is.EqualTo(new long[] { 0, 320, 480, 320, 560 }));
        Assert.That(peak, Is.EqualTo(624));
    }

    [Test]
    public void Nothing_takes_nothing() => Assert.That(MemoryPlanner.Plan([], []), Is.Zero);

    private static long Aligned(long length) => (length + MemoryPlanner.AlignmentFloats - 1) / MemoryPlanner.AlignmentFloats * MemoryPlanner.AlignmentFloats;

    private static class Prop
    {
        public static void ForAll<T>(Arbitrary<T> values, Func<T, string> fault, int tests) =>
            FsCheck.Fluent.Prop.ForAll(values, (T value) =>
            {
                string found = fault(value);
                return FsCheck.Fluent.Prop.Label(found.Length == 0, found);
            }).Check(Config.QuickThrowOnFailure.WithMaxTest(tests));
    }
}
