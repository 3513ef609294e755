using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Classifiers;

public sealed partial class ResNet
{
    private const double NormEpsilon = 1e-5;

    // Weights pass through a window of this many elements, or of one output channel where that has more.
    private const int WindowLength = 1 << 16;

    /// <summary>
    /// Reads a published checkpoint. A BatchNorm is an affine map in use, y = (x - mean) gamma / sqrt(variance + 1e-5) + beta, and becomes part of
    /// the convolution in front of it: its factors multiply the weights, the rest is the bias.
    /// </summary>
    /// <param name="file">The checkpoint.</param>
    /// <param name="prefix">What stands before every key; one of <see cref="Prefixes"/>.</param>
    /// <param name="parameters">Declared by <see cref="Declare"/>.</param>
    /// <param name="kernels">The device of the parameters.</param>
    /// <exception cref="CheckpointException">A tensor is missing or has other extents.</exception>
    public void Read(CheckpointFile file, string prefix, Parameters parameters, IKernels kernels)
    {
        Check(file, prefix);
        foreach (var c in AllConvolutions)
        {
            var weight = parameters[c.Name + ".weight"];
            if (c.Norm is null)
            {
                kernels.Upload(Selection(c), parameters.ValueOf(weight));
                continue;
            }
            float[] gamma = Norm("weight"), beta = Norm("bias"), mean = Norm("running_mean"), variance = Norm("running_var");
            double[] factors = [.. gamma.Zip(variance, (g, v) => g / Math.Sqrt(v + NormEpsilon))];
            ReadRows(file, prefix + weight.Name, parameters.ValueOf(weight), factors, kernels);
            kernels.Upload([.. beta.Select((shift, i) => (float)(shift - mean[i] * factors[i]))], parameters.ValueOf(parameters[c.Name + ".bias"]));

            float[] Norm(string part) => file.ReadFloat($"{prefix}{c.Norm}.{part}");
        }
        foreach (string part in (string[])["weight", "bias"])
            kernels.Upload(file.ReadFloat($"{prefix}{_head}.{part}"), parameters.ValueOf(parameters[$"{_head}.{part}"]));
        parameters.MarkChanged();
    }

    /// <summary>Reads a convolution's weight a few output channels at a time, each multiplied by its factor.</summary>
    private static void ReadRows(CheckpointFile file, string key, TensorView weight, double[] factors, IKernels kernels)
    {
        var shape = weight.Shape;
        int length = shape[1] * shape[2] * shape[3], most = Math.Clamp(WindowLength / length, 1, shape[0]);
        using var reader = file.OpenTensor(key);
        for (int row = 0; row < shape[0]; row += most)
        {
            int rows = Math.Min(most, shape[0] - row);
            float[] window = new float[rows * length];
            reader.Read(window);
            for (int i = 0; i < window.Length; i++) window[i] = (float)(window[i] * factors[row + i / length]);
            kernels.Upload(WeightFile.FromPublished(window, new Shape(rows, shape[1], shape[2], shape[3])), weight.Rows(row, rows));
        }
    }

    private static float[] Selection(Convolution c)
    {
        float[] weight = new float[c.To * c.From];
        int before = (c.To - c.From) / 2;
        for (int i = 0; i < c.From; i++) weight[(before + i) * c.From + i] = 1;
        return weight;
    }

    private void Check(CheckpointFile file, string prefix)
    {
        foreach (var (key, extents) in Published)
            if (!file.Find(prefix + key).Shape.SequenceEqual(extents))
                throw new CheckpointException(
                    $"{file.Name}: tensor '{prefix}{key}' is [{string.Join(",", file.Find(prefix + key).Shape)}] but this ResNet has [{string.Join(",", extents)}].");
        var known = Published.Select(t => prefix + t.Key).ToHashSet();
        if (file.Tensors.FirstOrDefault(t => t.Name.StartsWith(prefix, StringComparison.Ordinal) && !known.Contains(t.Name) && !IsBuffer(t.Name)) is { } surplus)
            throw new CheckpointException($"{file.Name}: tensor {surplus} does not belong to this ResNet.");
    }
}
