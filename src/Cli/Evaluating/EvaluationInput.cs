using System.Globalization;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Pictures;
using NativeDiffusion.Model.Metrics;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Cli.Evaluating;

/// <summary>How a model is sampled that stands for its samples.</summary>
/// <param name="Count">Pictures in all.</param>
/// <param name="Strength">Guidance w; null for the model's own.</param>
/// <param name="Kind">The sampler; null for the model's own.</param>
/// <param name="Steps">Steps; null for the model's own.</param>
/// <param name="Seed">Of the noise.</param>
internal sealed record ModelSampling(int Count, double? Strength, SamplerKind? Kind, int? Steps, ulong Seed);

/// <summary>What SAMPLES and REF may be: pictures, their statistics, or a model.</summary>
/// <param name="Pictures">The pictures; null for statistics alone.</param>
/// <param name="Statistics">The statistics; null for pictures alone.</param>
/// <param name="Description">Which they are, for the report.</param>
internal sealed record EvaluationInput(ImageSource? Pictures, StatisticsFile? Statistics, string Description)
{
    public const string TrainingDigits = "mnist-train", TestDigits = "mnist-test";

    /// <summary>Opens pictures or statistics; pictures in files are brought to a size where one is given.</summary>
    public static EvaluationInput Open(string text, int? size)
    {
        if (text is TrainingDigits or TestDigits)
            return new EvaluationInput(ImageSource.Of(text == TrainingDigits ? ShippedDigits.LoadTrain() : ShippedDigits.LoadTest(), text, labelled: true), null, text);
        if (!text.EndsWith(".npz", StringComparison.OrdinalIgnoreCase) || !File.Exists(text) || !StatisticsFile.IsOne(text))
            return new EvaluationInput(PictureSource.Open(text, size), null, size is not null && (Directory.Exists(text) || PictureKind.IsPictureName(text)) ? $"{text} at {size} x {size}" : text);
        using var file = NativeDiffusion.Runtime.Checkpoints.CheckpointFile.Open(text);
        return new EvaluationInput(file.Contains("arr_0") ? PictureSource.Open(text) : null, StatisticsFile.Read(text), text);
    }

    /// <summary>Whether it can only be a model.</summary>
    public static bool IsModel(string text) =>
        File.Exists(text) && !text.EndsWith(".npz", StringComparison.OrdinalIgnoreCase) && !PictureKind.IsPictureName(text) && !Path.GetFileName(text).Contains("idx3", StringComparison.Ordinal);

    /// <summary>Samples a model, as many of each class.</summary>
    /// <exception cref="UsageException">Guidance that it was not trained for, or a model of latents.</exception>
    public static EvaluationInput Sample(string path, ModelSampling sampling, IKernels kernels, CliContext context)
    {
        using var model = ConsoleProgress.Wait(context, $"reading {path}", () => DiffusionModel.Load(path, kernels));
        if (model.Settings.LatentScale is not null) throw new UsageException($"{path} makes latents: draw pictures by 'nativediffusion sample --autoencoder', and evaluate those.");
        int[] classes = [.. model.Settings.TrainedClasses];
        double w = sampling.Strength ?? (model.Settings.WhyUnguided is not null ? 0 : model.Settings.GuidanceScale is { } scale ? scale - 1 : 2);
        if (w != 0 && model.Settings.WhyUnguided is { } why) throw new UsageException($"{why} Leave out --w, or give --w 0.");
        var own = model.Settings.Sampler ?? new SamplerSettings();
        var kind = sampling.Kind ?? own.Kind;
        var settings = kind == own.Kind ? own : new SamplerSettings { Kind = kind, Clip = own.Clip };
        settings = settings with { Steps = sampling.Steps ?? settings.Steps };
        var requests = Enumerable.Range(0, sampling.Count)
            .Select(i => new SampleRequest(classes.Length > 0 ? classes[i % classes.Length] : -1, (GuidanceScale)new GuidanceStrength(w), i)).ToArray();
        using var sampler = new GuidedSampler(model, settings, new GuidedSamplerOptions { Seed = sampling.Seed });
        Model.Images.Image[] images = [];
        ConsoleProgress.Run(context, "pass", 0, sampler.Evaluations(requests.Length), progress => images = sampler.Sample(
            requests, new ImmediateProgress<SamplingProgress>(p => progress.Report(p.Evaluation, $"{p.Images} of {requests.Length} images")), context.Cancellation));
        int row = images[0].Pixels.Length;
        byte[] pixels = new byte[checked(row * images.Length)];
        for (int i = 0; i < images.Length; i++) images[i].Pixels.Span.CopyTo(pixels.AsSpan(i * row));
        string[] names = classes.Length > 0 ? [.. model.Settings.ClassNames] : ["sample"];
        var dataset = new ImageDataset(images[0].Height, images[0].Width, images[0].Channels, pixels, requests.Select(r => Math.Max(r.Label, 0)).ToArray(), names);
        string how = string.Create(CultureInfo.InvariantCulture, $"{path}, w = {w}, {kind}, {settings.Steps} steps, seed {sampling.Seed}");
        return new EvaluationInput(ImageSource.Of(dataset, path, labelled: classes.Length > 0), null, how);
    }
}
