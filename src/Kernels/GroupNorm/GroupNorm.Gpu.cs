using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void GroupNormForward(
        TensorView x, TensorView mean, TensorView rstd, TensorView gamma, TensorView beta, TensorView scaleShift, bool silu, TensorView y)
    {
        MapColumns(x.Shape.Batch, new GroupNormFormula { Affine = Affine(x, mean, rstd, gamma, beta, scaleShift, silu) }, x, default, y);
    }

    private GroupNormChannel Affine(
        TensorView x, TensorView mean, TensorView rstd, TensorView gamma, TensorView beta, TensorView scaleShift, bool silu) => new()
        {
            X = View(x),
            Means = View(mean),
            Rstds = View(rstd),
            Gammas = View(gamma),
            Betas = View(beta),
            ScaleShifts = View(scaleShift),
            HasScaleShift = scaleShift.IsEmpty ? 0 : 1,
            Silu = silu ? 1 : 0,
            Channels = x.Shape.Channels,
            Groups = mean.Shape.Channels,
        };
}

/// <summary>The normalisation of one channel of a row: u = (x - mean) * factor + offset.</summary>
internal struct GroupNormChannel
{
    public ArrayView<float> X, Means, Rstds, Gammas, Betas, ScaleShifts;
    public int HasScaleShift, Silu, Channels, Groups;
    public float Mean, Factor, Offset;

    public void Begin(int row, int channel)
    {
        long group = (long)row * Groups + channel / (Channels / Groups);
        float scale = Scale(row, channel);
        Mean = Means[group];
        Factor = Rstds[group] * Gammas[channel] * scale;
        Offset = Betas[channel] * scale;
        if (HasScaleShift != 0) Offset += ScaleShifts[2L * row * Channels + Channels + channel];
    }

    /// <summary>1 + scale.</summary>
    public readonly float Scale(long row, int channel) => HasScaleShift != 0 ? 1f + ScaleShifts[2 * row * Channels + channel] : 1f;

    public readonly float Distance(long at) => X[at] - Mean;

    /// <summary>dy times the slope of the activation.</summary>
    public readonly float Slope(float distance, float dy) => Silu != 0
        ? default(SiluGradientFormula).Invoke(new LanesScalar(distance * Factor + Offset), new LanesScalar(dy)).Value
        : dy;
}

/// <summary>act(u).</summary>
internal struct GroupNormFormula : IColumnFormula
{
    public GroupNormChannel Affine;

    public void Begin(int row, int channel) => Affine.Begin(row, channel);

    public readonly float Invoke(float x, float z)
    {
        float u = (x - Affine.Mean) * Affine.Factor + Affine.Offset;
        return Affine.Silu != 0 ? default(SiluFormula).Invoke(new LanesScalar(u)).Value : u;
    }
}
