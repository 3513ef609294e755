using System.Text;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Metrics.Features;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Metrics;

/// <summary>
/// Statistics of a reference as others publish them: an <c>.npz</c> file with <c>mu</c> and <c>sigma</c> and, of ADM's evaluator, <c>mu_s</c> and <c>sigma_s</c> of spatial features.
/// Beside them this project writes <c>network</c> (UTF-8 bytes, the name) and <c>count</c> (the pictures behind it), which other readers leave alone.
/// </summary>
/// <param name="Pooled">Of the pooled features, for FID.</param>
/// <param name="Spatial">Of the spatial features, for sFID; null where there are none.</param>
public sealed record StatisticsFile(GaussianStatistics Pooled, GaussianStatistics? Spatial)
{
    /// <summary>What the features of a file that does not say it are taken to be of, if there are as many.</summary>
    private static readonly (string Pooled, string Spatial) Published = (InceptionFeatures.PooledName, InceptionFeatures.SpatialName);

    /// <summary>Whether a file holds statistics; it may hold pictures too.</summary>
    /// <param name="path">An <c>.npz</c> file.</param>
    /// <exception cref="CheckpointException">It is no readable file of arrays.</exception>
    public static bool IsOne(string path)
    {
        using var file = CheckpointFile.Open(path);
        return file.Contains("mu") && file.Contains("sigma");
    }

    /// <summary>Reads a file. One that does not name its network and has as many features as the FID Inception is taken for its, as all published ones are.</summary>
    /// <param name="path">An <c>.npz</c> file.</param>
    /// <exception cref="InvalidDataException">It is no such file, or its arrays are not a mean and a covariance; the message names it.</exception>
    public static StatisticsFile Read(string path)
    {
        try
        {
            using var file = CheckpointFile.Open(path);
            string? network = file.Contains("network") ? Encoding.UTF8.GetString(Bytes(file, "network")) : null;
            long? count = file.Contains("count") ? file.ReadInt64("count")[0] : null;
            var pooled = Statistics(file, "mu", "sigma", network, InceptionFeatures.PooledCount, Published.Pooled, count);
            var spatial = file.Contains("mu_s") ? Statistics(file, "mu_s", "sigma_s", network, InceptionFeatures.SpatialCount, Published.Spatial, count) : null;
            return new StatisticsFile(pooled, spatial);
        }
        catch (Exception e) when (e is CheckpointException or ArgumentException)
        {
            throw new InvalidDataException($"'{path}' holds no statistics that can be used: {e.Message.TrimEnd('.')}.", e);
        }
    }

    /// <summary>Writes the file.</summary>
    /// <param name="path">Replaced only when it is complete.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Write(string path)
    {
        byte[] network = Encoding.UTF8.GetBytes(Pooled.Network);
        List<(string, NpyArray)> arrays =
        [
            ("mu", NpyArray.From(Pooled.Mean, Pooled.Features)), ("sigma", NpyArray.From(Pooled.Covariance, Pooled.Features, Pooled.Features)),
        ];
        if (Spatial is not null)
            arrays.AddRange([("mu_s", NpyArray.From(Spatial.Mean, Spatial.Features)), ("sigma_s", NpyArray.From(Spatial.Covariance, Spatial.Features, Spatial.Features))]);
        arrays.Add(("network", NpyArray.From(network, network.Length)));
        if (Pooled.Count is { } count) arrays.Add(("count", NpyArray.From([count], 1)));
        NpzWriter.Write(path, arrays);
    }

    private static GaussianStatistics Statistics(CheckpointFile file, string mean, string covariance, string? network, int published, string publishedName, long? count)
    {
        var shape = file.Find(covariance).Shape;
        long features = file.Find(mean).ElementCount;
        if (shape.Length != 2 || shape[0] != features || shape[1] != features || features > 46340)
            throw new ArgumentException($"'{mean}' has {features} features and '{covariance}' the shape ({string.Join(", ", shape)})");
        // The spatial features of a network share its name up to the layer.
        string name = network is null ? features == published ? publishedName : $"an unnamed network of {features} features"
            : mean == "mu" ? network : FeatureNetwork.SpatialNameOf(network);
        return new GaussianStatistics(name, Doubles(file, mean), Doubles(file, covariance), count);
    }

    private static double[] Doubles(CheckpointFile file, string name)
    {
        double[] values = new double[file.Find(name).ElementCount];
        using var reader = file.OpenTensor(name);
        reader.Read(values);
        return values;
    }

    private static byte[] Bytes(CheckpointFile file, string name)
    {
        byte[] values = new byte[file.Find(name).ByteLength];
        using var reader = file.OpenTensor(name);
        reader.ReadBytes(values);
        return values;
    }
}
