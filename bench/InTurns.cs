using System.Diagnostics;

namespace NativeDiffusion.Bench;

/// <summary>Measures several ways of a step in turns: a busy machine slows those of a round alike, so the ratios of a round are steady.</summary>
internal static class InTurns
{
    private const int LeastRounds = 5;

    /// <summary>Milliseconds of each arm in each round.</summary>
    /// <param name="arms">Number of arms.</param>
    /// <param name="warmupRounds">Rounds that do not count.</param>
    /// <param name="seconds">How long to measure; five rounds at least.</param>
    /// <param name="step">Takes the step of an arm, and waits for it.</param>
    public static List<double>[] Milliseconds(int arms, int warmupRounds, double seconds, Action<int> step)
    {
        List<double>[] times = [.. Enumerable.Range(0, arms).Select(_ => new List<double>())];
        long start = Stopwatch.GetTimestamp();
        for (int round = -warmupRounds; round < LeastRounds || Stopwatch.GetElapsedTime(start).TotalSeconds < seconds; round++)
            for (int turn = 0; turn < arms; turn++)
            {
                // Each round begins with another arm, so that none always follows the same one.
                int arm = (turn + round + warmupRounds) % arms;
                long begin = Stopwatch.GetTimestamp();
                step(arm);
                if (round >= 0) times[arm].Add(Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
            }
        return times;
    }

    /// <summary>The median over the rounds of one arm's time by another's.</summary>
    public static double Ratio(List<double> arm, List<double> other) => Median(arm.Zip(other, (mine, theirs) => mine / theirs));

    /// <summary>The middle value, or the mean of the two.</summary>
    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
