using NativeDiffusion.Model;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Metrics;
using NativeDiffusion.Model.Sampling;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Quality;

/// <summary>
/// Whether the shipped model draws good digits: recognised, varied, and not copied. Takes minutes, so it runs when asked for:
/// <c>dotnet test -c Release --filter TestCategory=Quality</c>.
/// </summary>
[Explicit("Samples 2,000 digits and compares them with 60,000: takes minutes.")]
[Category("Quality")]
public sealed class DigitQualityTests
{
    private const int PerClass = 100, Classes = 10;
    private const double TypicalStrength = 2, VariedStrength = 0.5;

    private ImageDataset _train = null!, _test = null!, _typical = null!, _varied = null!;

    [OneTimeSetUp]
    public void Sample()
    {
        string path;
        try
        {
            path = ShippedFiles.Find("models/digits.safetensors");
        }
        catch (FileNotFoundException)
        {
            Assert.Ignore("There is no models/digits.safetensors yet: train it with the command in docs, then run this again.");
            return;
        }
        (_train, _test) = (ShippedDigits.LoadTrain(), ShippedDigits.LoadTest());
        using var model = DiffusionModel.Load(path);
        _typical = Draw(model, TypicalStrength);
        _varied = Draw(model, VariedStrength);
    }

    [Test]
    public void TypicalDigitsAreRecognised()
    {
        using var classifier = ImageClassifier.LoadShippedDigits();
        int real = classifier.Classify(_test).CountCorrect(_test.Labels.Span);
        var found = classifier.Classify(_typical);
        int correct = found.CountCorrect(_typical.Labels.Span), atVaried = classifier.Classify(_varied).CountCorrect(_varied.Labels.Span);
        TestContext.Out.WriteLine($"recognised: {correct} of {_typical.Count} at w = {TypicalStrength}, {atVaried} of {_varied.Count} at w = {VariedStrength}, {real} of {_test.Count} real test digits");
        for (int label = 0; label < Classes; label++)
            TestContext.Out.WriteLine($"  {label}: {Enumerable.Range(0, found.Count).Count(i => _typical.Labels.Span[i] == label && found.Labels[i] == label)} of {PerClass}");
        Assert.That(real, Is.GreaterThanOrEqualTo(0.99 * _test.Count), "the classifier itself");
        Assert.That(correct, Is.GreaterThanOrEqualTo(0.97 * _typical.Count));
    }

    [Test]
    public void VariedDigitsVaryWithinTheirClass()
    {
        double real = SampleQuality.WithinClassVariance(_test), varied = SampleQuality.WithinClassVariance(_varied), typical = SampleQuality.WithinClassVariance(_typical);
        TestContext.Out.WriteLine(
            $"variance within a class: {varied:0.00} at w = {VariedStrength} ({varied / real:P1} of the real test digits' {real:0.00}), {typical:0.00} ({typical / real:P1}) at w = {TypicalStrength}");
        Assert.That(varied, Is.GreaterThanOrEqualTo(0.6 * real));
    }

    [Test]
    public void NoDigitIsANearCopyOfATrainingImage()
    {
        var real = SampleQuality.NearestNeighbours(_test, _train);
        var rule = new NearCopyRule(_test, real);
        Report("real test digits", _test, real, rule);
        Assert.That(Report($"w = {TypicalStrength}", _typical, SampleQuality.NearestNeighbours(_typical, _train), rule), Is.Zero);
        Assert.That(Report($"w = {VariedStrength}", _varied, SampleQuality.NearestNeighbours(_varied, _train), rule), Is.Zero);
    }

    /// <summary>Prints the distances to the training set, class by class; returns the number of near-copies.</summary>
    private static int Report(string name, ImageDataset images, NearestImage[] nearest, NearCopyRule rule)
    {
        int[] labels = images.Labels.ToArray();
        int copies = nearest.Where((n, i) => rule.IsNearCopy(labels[i], n)).Count();
        TestContext.Out.WriteLine($"{name}: {copies} near-copies; distance over second distance at least {nearest.Min(n => n.Ratio):0.000}");
        for (int label = 0; label < Classes; label++)
        {
            double[] distances = [.. nearest.Where((_, i) => labels[i] == label).Select(n => n.Distance).Order()];
            TestContext.Out.WriteLine($"  {label}: nearest training image at {distances[0]:0.00} (near-copy below {rule.DistanceLimit(label):0.00}), median {distances[distances.Length / 2]:0.00}");
        }
        return copies;
    }

    private static ImageDataset Draw(DiffusionModel model, double strength)
    {
        var requests = from label in Enumerable.Range(0, Classes)
                       from i in Enumerable.Range(0, PerClass)
                       select new SampleRequest(label, (GuidanceScale)new GuidanceStrength(strength), label * PerClass + i);
        SampleRequest[] all = [.. requests];
        using var sampler = new GuidedSampler(model, new SamplerSettings(), new GuidedSamplerOptions { Batch = 20 });
        var images = sampler.Sample(all);
        return new ImageDataset(
            images[0].Height, images[0].Width, images[0].Channels, images.SelectMany(image => image.Pixels.ToArray()).ToArray(),
            all.Select(r => r.Label).ToArray(), [.. Enumerable.Range(0, Classes).Select(c => c.ToString())]);
    }
}
