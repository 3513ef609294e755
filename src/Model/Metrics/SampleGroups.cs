using NativeDiffusion.Kernels;

namespace NativeDiffusion.Model.Metrics;

/// <summary>
/// Which group a sample is in, by its position alone: of every run of as many samples as there are groups, each group has one, drawn by the
/// seed. So groups are equally large, and samples that come sorted by class are shared out evenly.
/// </summary>
internal sealed class SampleGroups(int count, ulong seed)
{
    /// <summary>
    /// Groups that the metrics leave out in turn: enough for an error known to a quarter, few enough for eigenvalues of each.
    /// </summary>
    public const int Usual = 10;

    private readonly int[] _order = new int[count];
    private long _run = -1;

    /// <summary>Number of groups.</summary>
    public int Count => count;

    /// <summary>The group of a sample, 0 to <see cref="Count"/> - 1.</summary>
    public int Of(long sample)
    {
        long run = sample / count;
        if (run != _run) Permute(_order, seed, _run = run, 0);
        return _order[sample % count];
    }

    /// <summary>A permutation of 0, 1, ... that the numbers determine.</summary>
    public static void Permute(Span<int> order, ulong seed, long index, uint step)
    {
        for (int i = 0; i < order.Length; i++) order[i] = i;
        for (int i = order.Length - 1; i > 0; i--)
        {
            int j = (int)(Philox.Uniform(seed, (uint)index, step, RandomStream.Evaluation, (uint)i) * (i + 1));
            (order[i], order[j]) = (order[j], order[i]);
        }
    }
}
