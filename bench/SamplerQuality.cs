using System.Globalization;
using System.Text;
using NativeDiffusion.Bench.Reports;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Schedules;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Bench;

/// <summary>Levels of one sampler at one number of steps.</summary>
/// <param name="Row">Its row of the table, in the words of the tool's options.</param>
/// <param name="Steps">Steps, its column.</param>
/// <param name="IsDefault">Whether it is what a user gets who gives sampler and steps alone; the others are what the defaults were chosen among.</param>
/// <param name="Table">The coefficients.</param>
internal sealed record QualityPoint(string Row, int Steps, bool IsDefault, SamplerTable Table)
{
    /// <summary>Digits drawn, and those of them that the classifier takes for their class.</summary>
    public int Drawn { get; set; }

    /// <inheritdoc cref="Drawn"/>
    public int Recognised { get; set; }
}

/// <summary>
/// Which share of the shipped model's digits the shipped classifier recognises, for every sampler and some numbers of steps; into
/// <c>docs/sampler-quality.md</c>. Every point draws the same noise, a seed at a time, and the file is written after every seed.
/// </summary>
internal static class SamplerQuality
{
    private const string FileName = "docs/sampler-quality.md", Reading = "\n## Reading";
    private const int Classes = 10, DefaultSamples = 100;
    private const double Strength = 2;

    private static readonly int[] Steps = [2, 3, 5, 10, 20, 50], AlternativeSteps = [2, 3, 5, 10, 20], HeunSteps = [2, 3, 4, 5];
    private static readonly double[] HeunRatios = [8, 20, 100];

    /// <summary>Draws, judges and writes.</summary>
    /// <param name="options">What follows the word <c>quality</c>.</param>
    /// <exception cref="ArgumentException">An option that is none, or has no value that fits.</exception>
    public static void Run(IReadOnlyList<string> options)
    {
        int seeds = Seeds(options);
        using var kernels = BenchForm.Open();
        using var model = DiffusionModel.Load(ShippedFiles.Find("models/digits.safetensors"), kernels);
        using var classifier = ImageClassifier.LoadShippedDigits(kernels);
        using var arena = new Arena(kernels);
        QualityPoint[] points = [.. Points(model)];
        string path = Path.Combine(ResultFiles.Repository ?? Environment.CurrentDirectory, FileName);
        for (int seed = 0; seed < seeds; seed++)
        {
            foreach (var point in points)
            {
                Draw(point, model, classifier, arena, seed);
                Console.WriteLine($"seed {seed + 1} of {seeds}: {point.Row}, {point.Steps} steps: {point.Recognised} of {point.Drawn} so far");
            }
            string reading = File.Exists(path) ? ReadingOf(File.ReadAllText(path)) : "";
            File.WriteAllText(path, Markdown(points, seed + 1, ResultFiles.Header("")) + reading);
            Console.WriteLine($"Wrote {path}.");
        }
    }

    /// <summary>Every sampler with its defaults, and what the defaults were chosen among.</summary>
    internal static IEnumerable<QualityPoint> Points(DiffusionModel model)
    {
        foreach (var (name, kind) in OptionWords.Samplers)
            foreach (int steps in Steps)
            {
                var settings = new SamplerSettings { Kind = kind, Steps = steps };
                yield return new QualityPoint($"{name}, {OptionWords.Of(settings.SpacingFor(model))}", steps, true, settings.Build(model));
            }

        var schedule = model.Settings.NoiseSchedule();
        var network = model.Settings.Parameterization;
        foreach (int steps in AlternativeSteps)
        {
            var uniform = new SamplerSettings { Kind = SamplerKind.Euler, Steps = steps, Spacing = SpacingKind.Uniform };
            SamplerTable euler = uniform.Build(model);
            yield return new QualityPoint("euler, uniform", steps, false, euler);
            yield return new QualityPoint("euler-a, uniform", steps, false, (uniform with { Kind = SamplerKind.EulerAncestral }).Build(model));
            yield return new QualityPoint("heun, uniform (refused)", steps, false, Heun([.. euler.Rows.Select(r => Conversions.LogSnrToSigmaEdm(r.LogSnr))]));
        }
        foreach (double ratio in HeunRatios)
            foreach (int steps in HeunSteps)
            {
                var (least, greatest) = SamplerSettings.KarrasRange(schedule);
                least = Math.Max(least, SamplerSettings.LeastHeunSigma(steps, greatest, ratio, even: false, rho: 7));
                yield return new QualityPoint(
                    FormattableString.Invariant($"heun, karras, dividing sigma by {ratio} at most"), steps, false, Heun(Spacing.Karras(steps, least, greatest)));
            }

        SamplerTable Heun(double[] sigmas) => Samplers.Heun(schedule, sigmas, network, HeunChurn.None);
    }

    /// <summary>The tables, with what they depend on.</summary>
    internal static string Markdown(IReadOnlyList<QualityPoint> points, int seeds, string header)
    {
        var text = new StringBuilder("# Quality of the samplers\n\n").Append(header).Append('\n');
        text.Append(CultureInfo.InvariantCulture,
            $"""
            Percent of the shipped model's digits that the shipped classifier recognises as the class they were drawn for, and the standard error sqrt(p (1 - p) / n).
            n = {seeds * Classes} digits a point: {Classes} classes, seeds 0 to {seeds - 1}, the same noise for every point; guidance w = {Strength}. Where all are recognised,
            the share is above {100 * (1 - 3.0 / (seeds * Classes)):0.#}% with 95% certainty. Heun, DPM2 and the 2S and SDE forms of DPM-Solver++ evaluate the network
            2 N - 1 times in N steps, the others N times.


            """);
        text.Append("Each sampler as `--sampler` and `--steps` alone give it:\n\n");
        AppendTable(text, [.. points.Where(p => p.IsDefault)]);
        text.Append("\nWhat these defaults were chosen among:\n\n");
        AppendTable(text, [.. points.Where(p => !p.IsDefault)]);
        return text.ToString();
    }

    /// <summary>The part of the file that people write.</summary>
    internal static string ReadingOf(string text) => text.IndexOf(Reading, StringComparison.Ordinal) is >= 0 and int at ? text[at..] : "";

    private static int Seeds(IReadOnlyList<string> options)
    {
        if (options is []) return DefaultSamples / Classes;
        if (options is not ["--samples", var number]) throw new ArgumentException($"quality takes --samples N alone; got {string.Join(' ', options)}.");
        if (!int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int samples) || samples < Classes || samples % Classes != 0)
            throw new ArgumentException($"--samples takes a multiple of {Classes}, as many of each digit; got {number}.");
        return samples / Classes;
    }

    private static void Draw(QualityPoint point, DiffusionModel model, ImageClassifier classifier, Arena arena, int seed)
    {
        int[] labels = [.. Enumerable.Range(0, Classes)];
        using var sampler = new GuidedSampler(model, point.Table, new GuidedSamplerOptions { Batch = Classes, Seed = (ulong)seed }, arena);
        var images = sampler.Sample([.. labels.Select(label => new SampleRequest(label, (GuidanceScale)new GuidanceStrength(Strength), label))]);
        var drawn = new ImageDataset(
            images[0].Height, images[0].Width, images[0].Channels, images.SelectMany(image => image.Pixels.ToArray()).ToArray(), labels, model.Settings.ClassNames);
        point.Drawn += labels.Length;
        point.Recognised += classifier.Classify(drawn).CountCorrect(labels);
    }

    private static void AppendTable(StringBuilder text, IReadOnlyList<QualityPoint> points)
    {
        int[] columns = [.. points.Select(p => p.Steps).Distinct().Order()];
        text.Append(CultureInfo.InvariantCulture, $"| sampler, spacing | {string.Join(" | ", columns.Select(steps => $"{steps} steps"))} |\n");
        text.Append(CultureInfo.InvariantCulture, $"|---|{string.Concat(columns.Select(_ => "---:|"))}\n");
        foreach (var row in points.GroupBy(p => p.Row))
            text.Append(CultureInfo.InvariantCulture, $"| {row.Key} | {string.Join(" | ", columns.Select(steps => Cell(row.FirstOrDefault(p => p.Steps == steps))))} |\n");
    }

    private static string Cell(QualityPoint? point)
    {
        if (point is null) return "";
        double share = (double)point.Recognised / point.Drawn;
        return string.Create(CultureInfo.InvariantCulture, $"{100 * share:0.#} ± {100 * Math.Sqrt(share * (1 - share) / point.Drawn):0.0}");
    }
}
