namespace IlgpuEmulator;

/// <summary>
/// Runs a launch several times from the same memory: lanes ascending, descending and shuffled, memory that nothing wrote holding
/// two patterns. What the runs leave must agree; where it does not, traced runs find who is to blame.
/// </summary>
internal static class SanitizedRun
{
    private const int ExtraShuffles = 4;

    private static readonly LaneOrder Ascending = new(LaneOrderKind.Ascending);
    private static readonly LaneOrder Descending = new(LaneOrderKind.Descending);

    internal static void Execute(Launch launch, Thoroughness thoroughness)
    {
        using var scheduler = new GroupScheduler(launch);
        var ranges = launch.Ranges();
        using var before = new MemorySnapshot(ranges);
        before.Fill(Poison.First);
        if (thoroughness == Thoroughness.Fast)
        {
            scheduler.Run(Ascending, Poison.First);
            before.DefineAll();
            return;
        }

        // Hashes of shared memory after each interval of the first run, in the order of (group, interval).
        var hashes = new Dictionary<(int Group, int Interval), ulong>();
        scheduler.IntervalEnded = (group, interval) => hashes[(group, interval)] = scheduler.Shared.Hash();
        scheduler.Run(Ascending, Poison.First);
        using var after = new MemorySnapshot(ranges);

        bool sharedDiffers = false;
        scheduler.IntervalEnded = (group, interval) =>
            sharedDiffers |= !hashes.TryGetValue((group, interval), out ulong hash) || hash != scheduler.Shared.Hash();
        Again(scheduler, before, Descending, Poison.First);
        if (sharedDiffers || after.FirstDifference() is not null)
            throw Blame(launch, before, after, Descending, sharedDiffers);

        scheduler.IntervalEnded = null;
        int shuffles = thoroughness == Thoroughness.Exhaustive ? 1 + ExtraShuffles : 1;
        for (int seed = 1; seed <= shuffles; seed++)
        {
            var order = new LaneOrder(LaneOrderKind.Shuffled, seed);
            Again(scheduler, before, order, Poison.Second);
            if (after.FirstDifferenceAcrossPoisons() is null)
                continue;
            // The order and the poison both changed: a run that changes only the order tells which one matters.
            Again(scheduler, before, order, Poison.First);
            bool race = after.FirstDifference() is not null;
            throw race ? Blame(launch, before, after, order, false) : BlameUndefined(launch, before, after);
        }
        after.DefineWhatWasWritten();
        after.Restore();
    }

    private static void Again(GroupScheduler scheduler, MemorySnapshot before, LaneOrder order, Poison poison)
    {
        before.Restore();
        before.Fill(poison);
        scheduler.Run(order, poison);
    }

    private static KernelSanitizerException Blame(
        Launch launch, MemorySnapshot before, MemorySnapshot after, LaneOrder order, bool inShared)
    {
        string where = inShared ? "shared memory" : Where(after.FirstDifference());
        string detail = $"{where} depends on the order in which threads run";
        foreach (var tried in new[] { order, Ascending })
        {
            var trace = Traced(launch, before, tried);
            if (trace.Race is { } race)
                return Report(SanitizerFinding.Race, race, launch, detail);
        }
        return new KernelSanitizerException(SanitizerFinding.Race, detail, launch.Name);
    }

    private static KernelSanitizerException BlameUndefined(Launch launch, MemorySnapshot before, MemorySnapshot after)
    {
        before.Restore();
        before.Fill(Poison.Second);
        using (var scheduler = new GroupScheduler(launch))
            scheduler.Run(Ascending, Poison.Second);
        string detail = $"{Where(after.FirstDifferenceAcrossPoisons())} depends on memory that nothing wrote";
        var trace = Traced(launch, before, Ascending);
        return trace.UndefinedRead is { } read
            ? Report(SanitizerFinding.UndefinedRead, read, launch, detail)
            : new KernelSanitizerException(SanitizerFinding.UndefinedRead, detail, launch.Name);
    }

    private static AccessTrace Traced(Launch launch, MemorySnapshot before, LaneOrder order)
    {
        before.Restore();
        before.Fill(Poison.First);
        using var scheduler = new GroupScheduler(launch);
        var trace = new AccessTrace(launch);
        scheduler.Trace = trace;
        scheduler.Run(order, Poison.First);
        return trace;
    }

    private static KernelSanitizerException Report(SanitizerFinding finding, TraceFinding found, Launch launch, string detail) =>
        new(finding, $"{found.Detail}; {detail}", launch.Name, found.Group, found.Thread, found.Site.ToString());

    private static string Where((DeviceMemory Memory, ViewRange Range, long Offset)? difference) => difference is { } d
        ? $"global memory at byte {d.Offset - d.Range.Offset} of the {d.Range.Length} of an argument's view"
        : "memory";
}
