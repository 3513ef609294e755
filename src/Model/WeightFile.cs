using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model;

/// <summary>
/// Parameters to and from safetensors, under their published names and extents: a convolution's weight is [Cout, Cin, Kh, Kw] in files and
/// [Cout, Kh, Kw, Cin] in memory.
/// </summary>
internal static class WeightFile
{
    /// <summary>Prefix of the exponential moving average in training checkpoints.</summary>
    public const string AveragePrefix = "ema.";

    public static IEnumerable<TensorEntry> Entries(Parameters parameters, IKernels kernels, string prefix, DType type) =>
        Entries(parameters, parameters.Values, kernels, prefix, type);

    /// <summary>One entry per parameter from a flat buffer laid out as its values (the values themselves, or a moment).</summary>
    public static IEnumerable<TensorEntry> Entries(Parameters parameters, TensorView flat, IKernels kernels, string prefix, DType type)
    {
        foreach (var parameter in parameters.Items)
        {
            float[] values = new float[parameter.Shape.Count];
            kernels.Download(new TensorView(flat.Memory!, parameter.Offset, parameter.Shape), values);
            yield return TensorEntry.Of(prefix + parameter.Name, [.. parameter.PublishedShape.Select(e => (long)e)], ToPublished(values, parameter.Shape), type);
        }
    }

    /// <summary>Reads every parameter from the file's tensors with a prefix; other prefixes are left alone.</summary>
    public static void Read(CheckpointFile file, string prefix, Parameters parameters, IKernels kernels)
    {
        // Before the values are first touched: what a hostile configuration asks for is allocated only if the file really has it.
        Check(file, prefix, parameters);
        Read(file, prefix, parameters, parameters.Values, kernels);
        parameters.MarkChanged();
    }

    /// <summary>Reads a flat buffer laid out as the values.</summary>
    public static void Read(CheckpointFile file, string prefix, Parameters parameters, TensorView flat, IKernels kernels)
    {
        Check(file, prefix, parameters);
        foreach (var parameter in parameters.Items)
            kernels.Upload(FromPublished(file.ReadFloat(prefix + parameter.Name), parameter.Shape), new TensorView(flat.Memory!, parameter.Offset, parameter.Shape));
    }

    private static void Check(CheckpointFile file, string prefix, Parameters parameters)
    {
        var known = parameters.Items.Select(p => prefix + p.Name).ToHashSet();
        string[] missing = [.. known.Where(k => !file.Contains(k)).Order(StringComparer.Ordinal)];
        if (missing.Length > 0)
            throw new CheckpointException($"{file.Name}: {missing.Length} of {known.Count} tensors of this architecture are missing, the first '{missing[0]}'.");
        string[] surplus = [.. file.Tensors.Select(t => t.Name).Where(n => !known.Contains(n) && !IsOther(n, prefix))];
        if (surplus.Length > 0)
            throw new CheckpointException($"{file.Name}: {surplus.Length} tensors do not belong to this architecture, the first '{surplus[0]}'.");
        foreach (var parameter in parameters.Items)
        {
            string name = prefix + parameter.Name;
            var found = file.Find(name);
            if (!found.Shape.SequenceEqual(parameter.PublishedShape.Select(e => (long)e)))
                throw new CheckpointException(
                    $"{file.Name}: tensor '{name}' is [{string.Join(",", found.Shape)}] but this architecture has [{string.Join(",", parameter.PublishedShape)}].");
        }
    }

    /// <summary>[Cout, Kh, Kw, Cin] to [Cout, Cin, Kh, Kw]; anything else unchanged.</summary>
    internal static float[] ToPublished(float[] values, Shape shape) => Transpose(values, shape, inverse: false);

    /// <summary>[Cout, Cin, Kh, Kw] to [Cout, Kh, Kw, Cin]; anything else unchanged.</summary>
    internal static float[] FromPublished(float[] values, Shape shape) => Transpose(values, shape, inverse: true);

    // Tensors of a training checkpoint that are not the ones being read.
    private static bool IsOther(string name, string prefix) =>
        prefix.Length > 0 ? !name.StartsWith(prefix, StringComparison.Ordinal)
            : name.StartsWith(AveragePrefix, StringComparison.Ordinal) || name.StartsWith("adam.", StringComparison.Ordinal)
                || name.StartsWith("training.", StringComparison.Ordinal);

    private static float[] Transpose(float[] values, Shape shape, bool inverse)
    {
        if (shape.Rank != 4 || shape[1] * shape[2] == 1) return values;
        float[] result = new float[values.Length];
        int cin = shape[3], taps = shape[1] * shape[2];
        for (int o = 0; o < shape[0]; o++)
            for (int tap = 0; tap < taps; tap++)
                for (int c = 0; c < cin; c++)
                {
                    int here = (o * taps + tap) * cin + c, published = (o * cin + c) * taps + tap;
                    if (inverse) result[here] = values[published];
                    else result[published] = values[here];
                }
        return result;
    }
}
