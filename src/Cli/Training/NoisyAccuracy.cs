using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;

namespace NativeDiffusion.Cli.Training;

/// <summary>How many test images a classifier recognises at a noise level.</summary>
/// <param name="Sigma">EDM noise level sigma / alpha.</param>
/// <param name="Timestep">What the network is told.</param>
/// <param name="Accuracy">Share of the images.</param>
internal sealed record NoisyAccuracy(double Sigma, double Timestep, double Accuracy)
{
    // From clean images to those of which nothing is left.
    private static readonly double[] Sigmas = [0, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16];

    /// <summary>Of a classifier's file, at every level; without noise first.</summary>
    public static IReadOnlyList<NoisyAccuracy> Measure(string path, ImageDataset test, IKernels kernels, CliContext context)
    {
        using var classifier = NoisyClassifier.Load(path, kernels);
        var levels = new List<NoisyAccuracy>();
        ConsoleProgress.Run(context, "test image", 0, (long)Sigmas.Length * test.Count, progress =>
        {
            foreach (double sigma in Sigmas)
            {
                long before = (long)levels.Count * test.Count;
                var found = classifier.Classify(test, sigma, 0, new ImmediateProgress<int>(done => progress.Report(before + done)), context.Cancellation);
                levels.Add(new NoisyAccuracy(sigma, classifier.TimestepAt(sigma), (double)found.CountCorrect(test.Labels.Span) / test.Count));
            }
        });
        return levels;
    }

    /// <summary>Of a classifier of clean images.</summary>
    public static NoisyAccuracy OfClean(Classification found, ImageDataset test) => new(0, 0, (double)found.CountCorrect(test.Labels.Span) / test.Count);
}
