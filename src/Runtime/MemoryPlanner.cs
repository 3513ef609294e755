namespace NativeDiffusion.Runtime;

/// <summary>
/// Gives every planned tensor an offset, such that two whose lifetimes overlap never share an element. Largest first, each into the lowest
/// gap that is free during its whole lifetime.
/// </summary>
internal static class MemoryPlanner
{
    /// <summary>Offsets are multiples of 16 floats: a cache line, and the widest vector.</summary>
    public const int AlignmentFloats = 16;

    /// <summary>Lifetimes (inclusive step numbers) and lengths to offsets; returns the peak length.</summary>
    /// <param name="items">What to place, in any order.</param>
    /// <param name="offsets">Receives one offset per item.</param>
    /// <param name="guard">Elements left free after every tensor, for tests that look for overruns.</param>
    public static long Plan(ReadOnlySpan<Lifetime> items, Span<long> offsets, int guard = 0)
    {
        int[] order = [.. Enumerable.Range(0, items.Length)];
        var lifetimes = items.ToArray();
        Array.Sort(order, (a, b) => lifetimes[b].Length != lifetimes[a].Length
            ? lifetimes[b].Length.CompareTo(lifetimes[a].Length)
            : lifetimes[a].First != lifetimes[b].First ? lifetimes[a].First.CompareTo(lifetimes[b].First) : a.CompareTo(b));

        var placed = new List<(long Offset, long End, int Index)>();
        long peak = 0;
        foreach (int index in order)
        {
            var item = lifetimes[index];
            long length = (item.Length + guard + AlignmentFloats - 1) / AlignmentFloats * AlignmentFloats;
            long offset = 0;
            // `placed` is sorted by offset, so the first gap that is wide enough is the lowest one.
            foreach (var (start, end, other) in placed)
            {
                if (!lifetimes[other].Overlaps(item)) continue;
                if (start - offset >= length) break;
                offset = Math.Max(offset, end);
            }
            offsets[index] = offset;
            int at = placed.FindIndex(p => p.Offset > offset);
            placed.Insert(at < 0 ? placed.Count : at, (offset, offset + length, index));
            peak = Math.Max(peak, offset + length);
        }
        return peak;
    }

    /// <summary>First and last step that touch a tensor, and its elements.</summary>
    internal readonly record struct Lifetime(int First, int Last, long Length)
    {
        public bool Overlaps(Lifetime other) => First <= other.Last && other.First <= Last;
    }
}
