using System.Diagnostics;
using System.Globalization;
using NativeDiffusion.Model.Metrics;

namespace NativeDiffusion.Bench;

/// <summary>Seconds that the metrics of two sets of features take, for docs/evaluation.md.</summary>
internal static class MetricSpeed
{
    private const int Hidden = 256;

    /// <summary>Measures.</summary>
    /// <param name="options">Rows of each set and features of a row; 10,000 and 2,048 when left out.</param>
    /// <exception cref="ArgumentException">Something else.</exception>
    public static void Run(IReadOnlyList<string> options)
    {
        int rows = 10_000, features = 2048;
        if (options.Count > 0 && (options.Count != 2 || !Read(options[0], out rows) || !Read(options[1], out features)))
            throw new ArgumentException($"metrics takes the numbers of rows and of features; got {string.Join(' ', options)}.");
        FeatureSet samples = Features(rows, features, 1.1, 1), reference = Features(rows, features, 1, 2);
        Time("FID", () => FrechetDistance.Between(FeatureMoments.Of(samples).Statistics(), FeatureMoments.Of(reference).Statistics()));
        Time("FID with its error", () => new FrechetDistance(FeatureMoments.Of(reference).Statistics()).Of(FeatureMoments.Of(samples)));
        Time("precision, recall, density, coverage", () => ManifoldScores.Compare(samples, reference));
        Time("KID, 100 subsets of 1,000", () => KernelDistance.Of(samples, reference));
    }

    private static bool Read(string text, out int number) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number > 16;

    private static void Time(string what, Func<object> compute)
    {
        var seconds = new List<double>();
        var processors = new List<double>();
        using var process = Process.GetCurrentProcess();
        object result = "";
        for (int i = 0; i < 3; i++)
        {
            long start = Stopwatch.GetTimestamp();
            process.Refresh();
            var before = process.TotalProcessorTime;
            result = compute();
            seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            process.Refresh();
            processors.Add((process.TotalProcessorTime - before).TotalSeconds);
        }
        Console.WriteLine(FormattableString.Invariant($"{what}: {seconds.Min():0.00} s, {processors.Min():0.00} s of processors: {result}"));
    }

    /// <summary>As features of networks are: from fewer dimensions than there are features, cut off at 0.</summary>
    private static FeatureSet Features(int count, int features, double scale, int seed)
    {
        var random = new Random(seed);
        float[] weights = Normals(Hidden * features), hidden = new float[Hidden], row = new float[features];
        var set = new FeatureSet("synthetic", features);
        for (int i = 0; i < count; i++)
        {
            for (int h = 0; h < Hidden; h++) hidden[h] = (float)scale * Normal() / 16;
            for (int f = 0; f < features; f++) row[f] = 0.3f * Normal();
            for (int h = 0; h < Hidden; h++)
                for (int f = 0; f < features; f++)
                    row[f] += hidden[h] * weights[h * features + f];
            for (int f = 0; f < features; f++) row[f] = Math.Max(0, row[f]);
            set.Add(row);
        }
        return set;

        float Normal() => (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));

        float[] Normals(int n) => [.. Enumerable.Range(0, n).Select(_ => Normal())];
    }
}
