using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>
    /// y = act(((x - mean) * rstd * gamma + beta) * (1 + scale) + shift), mean and variance over each group of channels and all positions of
    /// a batch row; act is SiLU or nothing. See <see cref="IKernels.GroupNormForward"/>.
    /// </summary>
    /// <param name="x">[N,...,C].</param>
    /// <param name="gamma">[C].</param>
    /// <param name="beta">[C].</param>
    /// <param name="groups">Number of groups; divides C.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="scaleShift">[N,2C], scales first; left out for none.</param>
    /// <param name="silu">Whether SiLU follows.</param>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public Tensor GroupNorm(Tensor x, Tensor gamma, Tensor beta, int groups, double epsilon, Tensor? scaleShift = null, bool silu = false)
    {
        CheckGroupNorm(x, gamma, beta, scaleShift);
        if (AreShared(out var rows, x, scaleShift))
            return Share(_steps.Count, GroupNorm(x.GatheredFrom!, gamma, beta, groups, epsilon, scaleShift?.GatheredFrom, silu), rows);
        var stats = RecordGroupNormStats(x, groups, epsilon);
        var y = Temporary(x.Shape, "norm");
        Record(nameof(IKernels.GroupNormForward), [x, stats.Mean, stats.Rstd, gamma, beta, scaleShift], [y],
            k => k.GroupNormForward(
                x.View, stats.Mean.View, stats.Rstd.View, gamma.View, beta.View, scaleShift?.View ?? default, silu, y.View),
            (silu ? 7.0 : 3.0) * x.Count);
        OnBackward([x, gamma, beta, scaleShift], y, dy => RecordGroupNormBackward(x, stats, gamma, beta, scaleShift, silu, dy));
        return y;
    }

    /// <summary>Records the statistics alone, for an op that normalises on its way in.</summary>
    internal NormStats RecordGroupNormStats(Tensor x, int groups, double epsilon)
    {
        int channels = x.Shape.Channels;
        if (x.Shape.Rank < 2) throw new ArgumentException($"GroupNorm takes x of shape [N,...,C]; got {x}.");
        if (groups < 1 || channels % groups != 0)
        {
            throw new ArgumentException(
                $"GroupNorm cannot split the {channels} channels of {x} into {groups} equal groups; take a divisor of {channels}.");
        }
        if (!(epsilon >= 0)) throw new ArgumentException($"GroupNorm's epsilon is 0 or more; got {epsilon}.");
        var stats = new NormStats(
            Temporary(new Shape(x.Shape.Batch, groups), "norm.mean"), Temporary(new Shape(x.Shape.Batch, groups), "norm.rstd"));
        Record(nameof(IKernels.GroupNormStats), [x], [stats.Mean, stats.Rstd],
            k => k.GroupNormStats(x.View, groups, epsilon, stats.Mean.View, stats.Rstd.View), 4.0 * x.Count);
        return stats;
    }

    /// <summary>Records the gradients towards those of x, gamma, beta and scaleShift that need one, from that of the normalised tensor.</summary>
    internal void RecordGroupNormBackward(Tensor x, NormStats stats, Tensor gamma, Tensor beta, Tensor? scaleShift, bool silu, Tensor dy)
    {
        var (dx, addDx) = OptionalGradientTarget(x);
        var (dgamma, addDgamma) = OptionalGradientTarget(gamma);
        var (dbeta, addDbeta) = OptionalGradientTarget(beta);
        var (dscaleShift, addDscaleShift) = OptionalGradientTarget(scaleShift);
        int groups = stats.Mean.Shape.Channels;
        var workspace = Temporary(new Shape(checked((int)Kernels.GroupNormBackwardWorkspace(x.Shape, groups))), "norm.workspace");
        Record(nameof(IKernels.GroupNormBackward), [x, stats.Mean, stats.Rstd, gamma, beta, scaleShift, dy],
            [dx, dgamma, dbeta, dscaleShift, workspace],
            k => k.GroupNormBackward(
                x.View, stats.Mean.View, stats.Rstd.View, gamma.View, beta.View, scaleShift?.View ?? default, silu, dy.View,
                dx?.View ?? default, addDx, dgamma?.View ?? default, addDgamma, dbeta?.View ?? default, addDbeta,
                dscaleShift?.View ?? default, addDscaleShift, workspace.View),
            (silu ? 24.0 : 12.0) * x.Count);
    }

    /// <summary>Checks the affine arguments of a group normalisation.</summary>
    internal static void CheckGroupNorm(Tensor x, Tensor gamma, Tensor beta, Tensor? scaleShift)
    {
        var parameters = new Shape(x.Shape.Channels);
        if (gamma.Shape != parameters || beta.Shape != parameters)
            throw new ArgumentException($"GroupNorm of {x} takes gamma and beta of shape {parameters}; got {gamma} and {beta}.");
        var wanted = new Shape(x.Shape.Batch, 2 * x.Shape.Channels);
        if (scaleShift is not null && scaleShift.Shape != wanted)
            throw new ArgumentException($"GroupNorm of {x} takes scales and shifts of shape {wanted}; got {scaleShift}.");
    }

    /// <summary><see cref="GradientTarget"/> where a gradient is needed, else nothing.</summary>
    private (Tensor? Gradient, bool Accumulate) OptionalGradientTarget(Tensor? tensor) =>
        NeedsGradient(tensor) ? GradientTarget(tensor!) : (null, false);
}

/// <summary>Mean and reciprocal deviation of the groups of a tensor, each [N,G].</summary>
internal readonly record struct NormStats(Tensor Mean, Tensor Rstd);
