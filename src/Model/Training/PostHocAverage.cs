using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Training;

/// <summary>
/// The moving average of any width after a training, from those that <see cref="Trainer.SavePowerAverages"/> wrote (Karras et al. 2024, arXiv 2312.02696,
/// section 3.2). Nothing is trained: the files' weights are added up by <see cref="PowerFunctionAverage.Factors"/>.
/// </summary>
public static class PostHocAverage
{
    /// <summary>What was combined.</summary>
    /// <param name="Model">The averaged model; the caller's to dispose.</param>
    /// <param name="Images">Images of the training at which it is the average.</param>
    /// <param name="Factors">The factor of each file, in the order given.</param>
    public sealed record Result(DiffusionModel Model, long Images, IReadOnlyList<double> Factors);

    /// <summary>Combines saved averages.</summary>
    /// <param name="files">Files of one training; at least two widths and some steps give room to choose. Files behind <paramref name="images"/> take part too.</param>
    /// <param name="width">Relative width of the wanted average, above 0 and below 0.289.</param>
    /// <param name="kernels">The model's device; a CPU of its own when left out.</param>
    /// <param name="images">Images of the training at which it is wanted; the last that was saved when left out.</param>
    /// <exception cref="ArgumentException">No file, a width or a number of images out of range.</exception>
    /// <exception cref="CheckpointException">A file is damaged, is no such average, or of another training than the first; two are the same average.</exception>
    public static Result Combine(IReadOnlyList<string> files, double width, IKernels? kernels = null, long? images = null)
    {
        ArgumentNullException.ThrowIfNull(files);
        if (files.Count == 0) throw new ArgumentException("There is no saved average to combine.");
        double exponent = PowerFunctionAverage.Exponent(width);
        PowerProfile[] profiles = [.. files.Select(ReadProfile)];
        for (int i = 1; i < files.Count; i++)
        {
            if ((profiles[i].Training, profiles[i].BatchSize) != (profiles[0].Training, profiles[0].BatchSize))
                throw new CheckpointException($"{files[i]}: is an average of another training than {files[0]}.");
            int same = Array.FindIndex(profiles, 0, i, p => p.Width == profiles[i].Width && p.Images == profiles[i].Images);
            if (same >= 0) throw new CheckpointException($"{files[i]}: is the same average as {files[same]}: width {profiles[i].Width}, {profiles[i].Images} images.");
        }
        long last = profiles.Max(p => p.Images), at = images ?? last;
        if (at < 1 || at > last) throw new ArgumentException($"Averages were saved up to {last} images, so that is the most to ask for; got {at}.");
        double[] factors = PowerFunctionAverage.Factors([.. profiles.Select(p => ((double)p.Images, PowerFunctionAverage.Exponent(p.Width)))], (at, exponent));

        var model = DiffusionModel.Load(files[0], kernels);
        try
        {
            Sum(files, factors, model);
            return new Result(model, at, factors);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Images of a step in the training of a saved average.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="CheckpointException">The file is damaged, or no such average.</exception>
    public static int BatchSize(string path) => ReadProfile(path).BatchSize;

    // Factors of both signs nearly cancel, so sums are kept in double.
    private static void Sum(IReadOnlyList<string> files, double[] factors, DiffusionModel model)
    {
        double[] sum = new double[model.Parameters.Values.Count];
        float[] values = new float[sum.Length];
        for (int i = 0; i < files.Count; i++)
        {
            if (i > 0)
            {
                using var file = SafetensorsFile.Open(files[i]);
                WeightFile.Read(file, "", model.Parameters, model.Kernels);
            }
            model.Kernels.Download(model.Parameters.Values, values);
            for (int e = 0; e < sum.Length; e++) sum[e] += factors[i] * values[e];
        }
        for (int e = 0; e < sum.Length; e++) values[e] = (float)sum[e];
        model.Kernels.Upload(values, model.Parameters.Values);
        model.Parameters.MarkChanged();
    }

    private static PowerProfile ReadProfile(string path)
    {
        using var file = SafetensorsFile.Open(path);
        if (!ModelMetadata.IsIn(file) || !file.Metadata.ContainsKey(PowerProfile.Key))
            throw new CheckpointException($"{path}: is not an average that a training saved for later (its metadata have no '{PowerProfile.Key}').");
        var profile = ModelMetadata.Parse<PowerProfile>(file, PowerProfile.Key);
        if (!(profile.Width > 0 && profile.Width < PowerFunctionAverage.GreatestWidth) || profile.Images < 1 || profile.BatchSize < 1)
            throw new CheckpointException($"{path}: metadata '{PowerProfile.Key}' says width {profile.Width}, {profile.Images} images, batch {profile.BatchSize}.");
        return profile;
    }
}
