namespace IlgpuEmulator;

internal enum LaneOrderKind
{
    Ascending,
    Descending,
    Shuffled,
}

/// <summary>The order in which lanes run between two barriers, and groups in a launch.</summary>
internal readonly record struct LaneOrder(LaneOrderKind Kind, int Seed = 0)
{
    /// <summary>Fills <paramref name="order"/> with a permutation; shuffles differ from interval to interval.</summary>
    internal void Fill(int[] order, int salt)
    {
        for (int i = 0; i < order.Length; i++)
            order[i] = Kind == LaneOrderKind.Descending ? order.Length - 1 - i : i;
        if (Kind == LaneOrderKind.Shuffled)
            new Random(HashCodeOf(Seed, salt)).Shuffle(order);
    }

    // Not HashCode.Combine, whose result changes from process to process.
    private static int HashCodeOf(int seed, int salt) => unchecked((seed * 486187739) + (salt * 16777619) + 1013904223);
}
