using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Metrics;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Metrics;

/// <summary>The integral calibration error against a classifier asked outside, and a double oracle of the error.</summary>
[TestFixture]
public sealed class PathCalibrationTests
{
    private const int Images = 23, Bins = 5;

    private static readonly SamplerSettings Steps = new() { Kind = SamplerKind.Ancestral, Steps = 4 };

    [TestCase(PathInput.Denoised)]
    [TestCase(PathInput.State)]
    public void Each_step_has_the_error_of_what_the_classifier_says(PathInput input)
    {
        using var kernels = new CpuKernels(2);
        using var model = TinyModel.CreateRandom(kernels);
        using var classifier = new ImageClassifier(
            new ClassifierConfig { ImageSize = TinyModel.Size, InChannels = 1, ClassNames = ["top", "left", "full"], Width = 8, Levels = 2, NormGroups = 4 }, kernels, 3);
        var table = Steps.Build(model);
        SampleRequest[] requests = [.. Enumerable.Range(0, Images).Select(i => new SampleRequest(i % 3, new GuidanceScale(1), i))];
        using var calibration = new PathCalibration(classifier, table, requests, input, Bins);
        var seen = table.Rows.Select(_ => new List<float>()).ToArray();
        using (var sampler = new GuidedSampler(model, table, new GuidedSamplerOptions
        {
            Batch = 10,
            Observer = o =>
            {
                calibration.Observe(o);
                var view = input == PathInput.Denoised ? o.Denoised : o.State;
                float[] pixels = new float[view.Shape.Count];
                kernels.Download(view, pixels);
                int row = input == PathInput.Denoised ? o.Row : o.Row + 1;
                if (row < seen.Length) seen[row].AddRange(pixels);
            },
        }))
            sampler.Sample(requests, (_, _) => { });

        int first = input == PathInput.Denoised ? 0 : 1;
        Assert.That(calibration.Points.Select(p => p.Step), Is.EqualTo(Enumerable.Range(first, 4 - first)));
        double sum = 0;
        foreach (var point in calibration.Points)
        {
            var said = classifier.Classify(seen[point.Step].ToArray());
            double expected = Oracle(said, requests);
            sum += expected;
            Assert.That(point.Error.Value, Is.EqualTo(expected).Within(1e-6));
            Assert.That(point.Accuracy.Value, Is.EqualTo((double)said.CountCorrect([.. requests.Select(r => r.Label)]) / Images).Within(1e-12));
        }
        Assert.That(calibration.IntegralError.Value, Is.EqualTo(sum / (4 - first)).Within(1e-6));
        Assert.That(sum, Is.GreaterThan(0.01));
    }

    [Test]
    public void What_it_cannot_judge_is_refused()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.CreateRandom(kernels);
        using var classifier = new ImageClassifier(
            new ClassifierConfig { ImageSize = TinyModel.Size, InChannels = 1, ClassNames = ["top", "left", "full"], Width = 8, Levels = 2, NormGroups = 4 }, kernels, 3);
        var table = Steps.Build(model);
        SampleRequest[] Requests(int label) => [new SampleRequest(label, new GuidanceScale(1), 7)];
        Assert.That(() => new PathCalibration(classifier, table, Requests(3)), Throws.ArgumentException.With.Message.Contains("0 to 2").And.Message.Contains("drawn for 3"));
        Assert.That(() => new PathCalibration(classifier, table, Requests(-1)), Throws.ArgumentException.With.Message.Contains("sample 7"));
        Assert.That(() => new PathCalibration(new Noisy(classifier), table, Requests(0)), Throws.ArgumentException.With.Message.Contains("reads the state"));
        using var nothing = new PathCalibration(classifier, table, Requests(0));
        Assert.That(() => nothing.IntegralError, Throws.InvalidOperationException.With.Message.Contains("observer"));
    }

    private static double Oracle(Classification said, SampleRequest[] requests)
    {
        double error = 0;
        for (int bin = 0; bin < Bins; bin++)
        {
            double low = (double)bin / Bins, high = (bin + 1.0) / Bins;
            int[] inside = [.. Enumerable.Range(0, said.Count).Where(i => said.Confidence(i) > low && said.Confidence(i) <= high)];
            if (inside.Length == 0) continue;
            double accuracy = inside.Average(i => said.Labels[i] == requests[i].Label ? 1.0 : 0), confidence = inside.Average(i => (double)said.Confidence(i));
            error += (double)inside.Length / said.Count * Math.Abs(accuracy - confidence);
        }
        return error;
    }

    private sealed class Noisy(IClassifierNetwork inner) : IClassifierNetwork
    {
        public int Classes => inner.Classes;

        public int Channels => inner.Channels;

        public int? ImageSize => inner.ImageSize;

        public bool TakesNoise => true;

        public Parameters Parameters => inner.Parameters;

        public Tensor RecordLogits(PlanBuilder b, Tensor images, Tensor timesteps) => inner.RecordLogits(b, images, timesteps);
    }
}
