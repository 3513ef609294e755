using System.Text.Json;
using NativeDiffusion.Model.Metrics;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Reference;

/// <summary>Metrics on given features against public implementations: few samples, duplicates, ties, a constant feature, equal sets.</summary>
[TestFixture]
[Category("Reference")]
public sealed class MetricsReferenceTests
{
    private const double Tolerance = 1e-6;

    private static IEnumerable<ReferenceCase> Cases => ReferenceCase.OfKind(ReferenceKinds.Metrics);

    private static IEnumerable<TestCaseData> Sets => Cases.SelectMany(c => c.Config.GetProperty("sets").EnumerateArray()
        .Select((set, i) => new TestCaseData(c, i, set).SetArgDisplayNames(c.Name, set.GetProperty("kind").GetString()!)));

    [TestCaseSource(nameof(Sets))]
    public void Frechet_distance_agrees(ReferenceCase reference, int set, JsonElement _)
    {
        using var file = SafetensorsFile.Open(reference.Path);
        var samples = FeatureMoments.Of(Features(file, set, "sample")).Statistics();
        var real = FeatureMoments.Of(Features(file, set, "reference")).Statistics();
        double expected = Double(file, $"out.{set}.fid_eigenvalues");
        // Of two equal sets it is 0, and rounding.
        double scale = Math.Max(Math.Abs(expected), real.Trace);
        Assert.That(FrechetDistance.Between(samples, real), Is.EqualTo(expected).Within(Tolerance * scale));
        Assert.That(FrechetDistance.Between(real, samples), Is.EqualTo(expected).Within(Tolerance * scale), "the other way round");
        if (expected > 1e-3 * real.Trace) Assert.That(FrechetDistance.Between(samples, real), Is.EqualTo(expected).Within(Tolerance * expected));
    }

    [TestCaseSource(nameof(Sets))]
    public void Kernel_distance_agrees(ReferenceCase reference, int set, JsonElement settings)
    {
        using var file = SafetensorsFile.Open(reference.Path);
        var samples = Features(file, set, "sample");
        var real = Features(file, set, "reference");
        int[] x = Indices(file, $"in.{set}.subsets_sample"), y = Indices(file, $"in.{set}.subsets_reference");
        int subsets = settings.GetProperty("kid_subsets").GetInt32(), size = settings.GetProperty("kid_subset_size").GetInt32();
        double mean = Enumerable.Range(0, subsets).Average(i => KernelDistance.OfSubset(samples, x.AsSpan(i * size, size), real, y.AsSpan(i * size, size), 2));
        double expected = Double(file, $"out.{set}.kid");
        Assert.That(mean, Is.EqualTo(expected).Within(Tolerance * Math.Abs(expected)));
        if (!file.Contains($"out.{set}.kid_all")) return;
        int[] all = [.. Enumerable.Range(0, samples.Count)];
        double whole = Double(file, $"out.{set}.kid_all");
        Assert.That(KernelDistance.OfSubset(samples, all, real, all, 2), Is.EqualTo(whole).Within(Tolerance * Math.Abs(whole)));
    }

    [TestCaseSource(nameof(Sets))]
    public void Precision_and_recall_agree(ReferenceCase reference, int set, JsonElement settings)
    {
        using var file = SafetensorsFile.Open(reference.Path);
        var samples = Features(file, set, "sample");
        var real = Features(file, set, "reference");
        int k = settings.GetProperty("neighbours").GetInt32();
        double[] expected = Doubles(file, $"out.{set}.precision_recall");
        var scores = ManifoldScores.Compare(samples, real, new ManifoldOptions { Neighbours = k, Threads = 2 });
        Assert.That(scores.Precision.Value, Is.EqualTo(expected[0]).Within(Tolerance));
        Assert.That(scores.Recall.Value, Is.EqualTo(expected[1]).Within(Tolerance));
        var nearest = NearestRows.Find(real, real, k, 2);
        float[] radii = [.. Enumerable.Range(0, real.Count).Select(i => (float)nearest.SquaredRadius(i, k))];
        ReferenceCase.AssertClose(radii, file.ReadFloat($"out.{set}.radii_reference"), Tolerance, "squared radii");
    }

    [TestCaseSource(nameof(Cases))]
    public void Inception_score_agrees(ReferenceCase reference)
    {
        using var file = SafetensorsFile.Open(reference.Path);
        float[] probabilities = file.ReadFloat("in.probabilities");
        int classes = (int)file.Find("in.probabilities").Shape[1];
        double[] expected = Doubles(file, "out.inception_score");
        int[] sizes = [.. reference.Config.GetProperty("inception_score_splits").EnumerateArray().Select(s => s.GetInt32())];
        for (int i = 0; i < sizes.Length; i++)
        {
            var score = new InceptionScore(classes, sizes[i]);
            score.Add(probabilities);
            Assert.That(score.Score().Value, Is.EqualTo(expected[i]).Within(Tolerance * expected[i]), $"splits of {sizes[i]}");
        }
    }

    [TestCaseSource(nameof(Cases))]
    public void Calibration_error_agrees(ReferenceCase reference)
    {
        using var file = SafetensorsFile.Open(reference.Path);
        int[] labels = Indices(file, "in.labels");
        double[] expected = Doubles(file, "out.ece");
        int[] bins = [.. reference.Config.GetProperty("ece_bins").EnumerateArray().Select(s => s.GetInt32())];
        for (int i = 0; i < bins.Length; i++)
        {
            var calibration = new Calibration((int)file.Find("in.logits").Shape[1], bins[i]);
            calibration.AddLogits(file.ReadFloat("in.logits"), labels);
            Assert.That(calibration.Error.Value, Is.EqualTo(expected[i]).Within(Tolerance), $"{bins[i]} bins");
        }
    }

    private static FeatureSet Features(SafetensorsFile file, int set, string part)
    {
        string name = $"in.{set}.{part}";
        var features = new FeatureSet("reference", (int)file.Find(name).Shape[1]);
        features.Add(file.ReadFloat(name));
        return features;
    }

    private static int[] Indices(SafetensorsFile file, string name) => [.. file.ReadInt64(name).Select(v => checked((int)v))];

    private static double Double(SafetensorsFile file, string name) => Doubles(file, name)[0];

    private static double[] Doubles(SafetensorsFile file, string name)
    {
        using var reader = file.OpenTensor(name);
        byte[] bytes = new byte[8 * file.Find(name).ElementCount];
        reader.ReadBytes(bytes);
        return System.Runtime.InteropServices.MemoryMarshal.Cast<byte, double>(bytes).ToArray();
    }
}
