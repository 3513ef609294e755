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
    /// <param name="prefix">What stands before every key; <see cref="Published.PublishedCheckpoint.Prefix"/> finds it.</param>
    /// <param name="parameters">Declared by <see cref="Declare"/>.</param>
    /// <param name="kernels">The device of the parameters.</param>
    /// <exception cref="CheckpointException">Keys or extents do not fit; the message names the first five differences.</exception>
    public void Read(CheckpointFile file, string prefix, Parameters parameters, IKernels kernels)
    {
        Check(file, prefix, kernels);
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
        int taps = shape[1] * shape[2], channels = shape[3], length = taps * channels, most = Math.Clamp(WindowLength / length, 1, shape[0]);
        float[] published = new float[most * length], here = new float[most * length];
        using var reader = file.OpenTensor(key);
        for (int row = 0; row < shape[0]; row += most)
        {
            int rows = Math.Min(most, shape[0] - row);
            reader.Read(published.AsSpan(0, rows * length));
            for (int i = 0; i < rows; i++)
                for (int c = 0; c < channels; c++)
                    for (int tap = 0; tap < taps; tap++)
                        here[(i * taps + tap) * channels + c] = (float)(published[(i * channels + c) * taps + tap] * factors[row + i]);
            kernels.Upload(here.AsSpan(0, rows * length), weight.Rows(row, rows));
        }
    }

    private static float[] Selection(Convolution c)
    {
        float[] weight = new float[c.To * c.From];
        int before = (c.To - c.From) / 2;
        for (int i = 0; i < c.From; i++) weight[(before + i) * c.From + i] = 1;
        return weight;
    }

    private void Check(CheckpointFile file, string prefix, IKernels kernels)
    {
        // Declared to compare names and extents; they hold no values.
        using var published = new Parameters(kernels);
        foreach (var (key, extents) in Published)
        {
            int[] e = [.. extents.Select(v => (int)v)];
            published.Add(key, e.Length switch { 1 => new Shape(e[0]), 2 => new Shape(e[0], e[1]), _ => new Shape(e[0], e[2], e[3], e[1]) });
        }
        WeightFile.Check(file, prefix, published, IsBuffer);
    }
}
