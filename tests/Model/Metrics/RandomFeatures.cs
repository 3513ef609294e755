using NativeDiffusion.Model.Metrics;

namespace NativeDiffusion.Tests.Model.Metrics;

/// <summary>Features for tests, from a seed.</summary>
internal static class RandomFeatures
{
    public const string Network = "test";

    public static FeatureSet Set(int count, int features, int seed, double scale = 1, double shift = 0, bool integers = false) =>
        Set(features, Values(count * features, seed, scale, shift, integers));

    public static FeatureSet Set(int features, float[] values)
    {
        var set = new FeatureSet(Network, features);
        set.Add(values);
        return set;
    }

    public static float[] Values(int count, int seed, double scale = 1, double shift = 0, bool integers = false)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)(integers ? random.Next(4) : shift + scale * Normal(random)))];
    }

    public static double Normal(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    /// <summary>Some rows of a set.</summary>
    public static FeatureSet Rows(FeatureSet set, Predicate<int> includes)
    {
        var some = new FeatureSet(set.Network, set.Features);
        for (int i = 0; i < set.Count; i++)
            if (includes(i))
                some.Add(set.Row(i));
        return some;
    }

    /// <summary>The error that the jackknife over the groups of the samples gives a number.</summary>
    public static double Jackknife(FeatureSet samples, ulong seed, Func<FeatureSet, double> number)
    {
        var groups = new SampleGroups(SampleGroups.Usual, seed);
        int[] groupOf = [.. Enumerable.Range(0, samples.Count).Select(i => groups.Of(i))];
        double[] without = [.. Enumerable.Range(0, SampleGroups.Usual).Select(g => number(Rows(samples, i => groupOf[i] != g)))];
        double mean = without.Average();
        return Math.Sqrt(0.9 * without.Sum(v => (v - mean) * (v - mean)));
    }
}
