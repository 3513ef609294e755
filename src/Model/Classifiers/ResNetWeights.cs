using System.Runtime.InteropServices;
using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Classifiers;

public sealed partial class ResNet
{
    private const double NormEpsilon = 1e-5;

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
        var read = AllConvolutions.Where(c => c.Norm is not null).Select(c => parameters[c.Name + ".weight"]);
        WeightFile.ReadChecked(file, prefix, [.. read, parameters[_head + ".weight"], parameters[_head + ".bias"]], parameters.Values, kernels);
        using var memory = kernels.Allocate(AllConvolutions.Max(c => c.To));
        foreach (var c in AllConvolutions)
        {
            var weight = parameters.ValueOf(parameters[c.Name + ".weight"]);
            if (c.Norm is null)
            {
                kernels.Upload(Selection(c), weight);
                continue;
            }
            float[] gamma = Norm("weight"), beta = Norm("bias"), mean = Norm("running_mean"), variance = Norm("running_var");
            double[] factors = [.. gamma.Zip(variance, (g, v) => g / Math.Sqrt(v + NormEpsilon))];
            var factor = new TensorView(memory, 0, new Shape(c.To));
            kernels.Upload([.. factors.Select(f => (float)f)], factor);
            using (kernels.Queue.Enter()) kernels.ScaleRows(weight, factor, weight, accumulate: false);
            kernels.Upload([.. beta.Select((shift, i) => (float)(shift - mean[i] * factors[i]))], parameters.ValueOf(parameters[c.Name + ".bias"]));

            float[] Norm(string part) => file.ReadFloat($"{prefix}{c.Norm}.{part}");
        }
        parameters.MarkChanged();
    }

    /// <summary>The tensors of a checkpoint under the published keys; the BatchNorms hold the biases of the convolutions, and change nothing else.</summary>
    internal IEnumerable<TensorEntry> Entries(Parameters parameters, IKernels kernels, DType type)
    {
        var own = WeightFile.Entries(parameters, kernels, "", type).ToDictionary(e => e.Name);
        foreach (var c in AllConvolutions.Where(c => c.Norm is not null))
        {
            yield return own[c.Name + ".weight"];
            yield return Norm("weight", 1);
            yield return new TensorEntry(c.Norm + ".bias", type, [c.To], own[c.Name + ".bias"].Write);
            yield return Norm("running_mean", 0);
            yield return Norm("running_var", (float)(1 - NormEpsilon));

            TensorEntry Norm(string part, float value) =>
                new($"{c.Norm}.{part}", DType.F32, [c.To], stream => stream.Write(MemoryMarshal.AsBytes<float>(Enumerable.Repeat(value, c.To).ToArray())));
        }
        yield return own[_head + ".weight"];
        yield return own[_head + ".bias"];
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
