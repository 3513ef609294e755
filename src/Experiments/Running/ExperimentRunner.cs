using System.Diagnostics;
using System.Security.Cryptography;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Experiments.Running;

/// <summary>Where a run stands.</summary>
/// <param name="Point">Number of the point, from 1.</param>
/// <param name="Points">Points in all.</param>
/// <param name="Label">The point.</param>
/// <param name="Share">Share of its images that are drawn.</param>
internal readonly record struct ExperimentProgress(int Point, int Points, string Label, double Share);

/// <summary>Runs the points of an experiment that are not there yet: every point draws the same noise for the same classes.</summary>
internal sealed class ExperimentRunner(Experiment experiment, Workbench bench, ExperimentFolder folder, ExperimentSettings settings)
{
    /// <summary>Pixels between the images of a kept picture.</summary>
    public const int GridGap = 2;

    private const int GridRounds = 3;

    /// <summary>The points that can be made with the files that are there, of each model that is compared, in the order of the report.</summary>
    public IReadOnlyList<ExperimentPoint> Points { get; } = PointsOf(experiment, bench);

    /// <summary>Settings of a run, with what its files are.</summary>
    public static ExperimentSettings SettingsOf(Experiment experiment, Workbench bench, int samples, ulong seed, string version) => new()
    {
        Experiment = experiment.Name, Samples = samples, Seed = seed, Version = version, Runtime = Environment.Version.ToString(), Device = bench.Kernels.DeviceName,
        Files = new SortedDictionary<string, string>(bench.Paths(experiment).ToDictionary(file => file.Role, file => Hash(file.Path))),
    };

    /// <summary>Runs what is missing, and tells each finished point.</summary>
    /// <param name="finished">Called after each point, kept or new, with all finished so far and whether it is new.</param>
    /// <param name="progress">Told while a point is drawn.</param>
    /// <param name="cancellation">Checked between evaluations; finished points stay.</param>
    public IReadOnlyList<PointResult> Run(Action<IReadOnlyList<PointResult>, bool>? finished, IProgress<ExperimentProgress>? progress, CancellationToken cancellation)
    {
        var results = new List<PointResult>();
        for (int i = 0; i < Points.Count; i++)
        {
            var point = Points[i];
            cancellation.ThrowIfCancellationRequested();
            var kept = folder.Find(point.Key);
            results.Add(kept ?? Make(point, share => progress?.Report(new ExperimentProgress(i + 1, Points.Count, point.Label, share)), cancellation));
            finished?.Invoke(results, kept is null);
        }
        return results;
    }

    private static IReadOnlyList<ExperimentPoint> PointsOf(Experiment experiment, Workbench bench)
    {
        IEnumerable<ExperimentPoint> Of(int number)
        {
            string name = bench.ModelName(number);
            return experiment.Points.Select(p => p with { Key = $"m{number + 1}-{p.Key}", ModelNumber = number, Group = name, Label = $"{name}, {p.Label}", Series = name });
        }
        return
        [
            .. bench.HasReal ? [ExperimentPoint.Real] : Array.Empty<ExperimentPoint>(),
            .. (bench.ModelCount == 1 ? experiment.Points : Enumerable.Range(0, bench.ModelCount).SelectMany(Of)).Where(p => p.IsPossible(bench)),
        ];
    }

    private static string Hash(string path)
    {
        using var file = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(file));
    }

    private PointResult Make(ExperimentPoint point, Action<double> progress, CancellationToken cancellation)
    {
        int classes = bench.Judge.Classes;
        int[] labels = [.. Enumerable.Range(0, settings.Samples).Select(i => i % classes)];
        var result = new PointResult
        {
            Key = point.Key, Label = point.Label, Group = point.Group, Series = point.Series, X = point.X, Note = point.Note, Scale = point.Scale, Samples = settings.Samples,
        };
        ImageDataset images;
        if (point.IsReal) images = InTurn(bench.Real!, labels);
        else
        {
            long start = Stopwatch.GetTimestamp();
            (images, result) = Draw(point, labels, result, progress, cancellation);
            result = result with { Seconds = Math.Round(Stopwatch.GetElapsedTime(start).TotalSeconds, 2) };
        }
        result = result with { Metrics = bench.Judge.Measure(images) };
        folder.Keep(result, Grid(images, classes));
        return result;
    }

    private (ImageDataset Images, PointResult Result) Draw(ExperimentPoint point, int[] labels, PointResult result, Action<double> progress, CancellationToken cancellation)
    {
        var guidance = point.Guidance(bench);
        var requests = labels.Select((label, i) => new SampleRequest(point.IsConditional ? label : -1, new GuidanceScale(point.Scale), i) { Target = label }).ToArray();
        using var sampler = new GuidedSampler(bench.Model(point.ModelNumber), point.Sampler, new GuidedSamplerOptions { Seed = settings.Seed, Guidance = guidance }, bench.Arena);
        int evaluations = sampler.Evaluations(requests.Length);
        var images = sampler.Sample(requests, new Relay(p => progress((double)p.Evaluation / evaluations)), cancellation);
        var drawn = new ImageDataset(
            images[0].Height, images[0].Width, images[0].Channels, images.SelectMany(image => image.Pixels.ToArray()).ToArray(), labels,
            [.. Enumerable.Range(0, bench.Judge.Classes).Select(k => $"{k}")]);
        return (drawn, result with
        {
            Sampler = sampler.Table.Name, Steps = sampler.Table.Steps, Guidance = guidance.ToString(), Cost = PointCost.Of(sampler.Table, guidance, requests[0]),
        });
    }

    // Real images in the same order of classes as drawn ones.
    private static ImageDataset InTurn(ImageDataset real, int[] labels)
    {
        var byClass = Enumerable.Range(0, real.Count).GroupBy(i => real.Labels.Span[i]).ToDictionary(g => g.Key, g => new Queue<int>(g));
        return real.Subset([.. labels.Select(label => byClass.TryGetValue(label, out var left) && left.Count > 0
            ? left.Dequeue() : throw new ArgumentException($"There are not {labels.Length} real images of all classes; ask for fewer --samples."))]);
    }

    private static Image Grid(ImageDataset images, int classes)
    {
        int shown = Math.Min(images.Count, GridRounds * classes);
        return ImageGrid.Compose([.. Enumerable.Range(0, shown).Select(images.ToImage)], classes, GridGap);
    }

    private sealed class Relay(Action<SamplingProgress> report) : IProgress<SamplingProgress>
    {
        public void Report(SamplingProgress value) => report(value);
    }
}
