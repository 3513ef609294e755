using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>
    /// y = (x - mean) * rstd * gamma + beta with mean and variance over the last dimension; see <see cref="IKernels.LayerNormForward"/>.
    /// </summary>
    /// <param name="x">[...,C].</param>
    /// <param name="gamma">[C]; left out for 1.</param>
    /// <param name="beta">[C]; left out for 0.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public Tensor LayerNorm(Tensor x, Tensor? gamma, Tensor? beta, double epsilon)
    {
        var parameters = new Shape(x.Shape.Channels);
        if (x.Shape.Rank == 0 || (gamma is not null && gamma.Shape != parameters) || (beta is not null && beta.Shape != parameters))
            throw new ArgumentException($"LayerNorm of {x} takes gamma and beta of shape {parameters}, or none; got {gamma} and {beta}.");
        return RecordLayerNorm(x, gamma, beta, epsilon, modulated: false);
    }

    /// <summary>
    /// y = (x - mean) * rstd * (1 + scale) + shift, with a scale and a shift of each batch row (adaptive LayerNorm; Peebles and Xie, arXiv
    /// 2212.09748); see <see cref="IKernels.LayerNormForward"/>.
    /// </summary>
    /// <param name="x">[N,...,C].</param>
    /// <param name="scale">[N,C].</param>
    /// <param name="shift">[N,C].</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public Tensor ModulatedLayerNorm(Tensor x, Tensor scale, Tensor shift, double epsilon)
    {
        var vectors = new Shape(x.Shape.Batch, x.Shape.Channels);
        if (x.Shape.Rank < 2 || scale.Shape != vectors || shift.Shape != vectors)
            throw new ArgumentException($"ModulatedLayerNorm of {x} takes a scale and a shift of shape {vectors}; got {scale} and {shift}.");
        return RecordLayerNorm(x, scale, shift, epsilon, modulated: true);
    }

    private Tensor RecordLayerNorm(Tensor x, Tensor? gamma, Tensor? beta, double epsilon, bool modulated)
    {
        if (!(epsilon >= 0)) throw new ArgumentException($"LayerNorm's epsilon is 0 or more; got {epsilon}.");
        var y = Temporary(x.Shape, "layerNorm");
        Record(nameof(IKernels.LayerNormForward), [x, gamma, beta], [y],
            k => k.LayerNormForward(x.View, gamma?.View ?? default, beta?.View ?? default, epsilon, y.View), 7.0 * x.Count);
        OnBackward([x, gamma, beta], y, dy =>
        {
            var (dx, addDx) = OptionalGradientTarget(x);
            var (dgamma, addDgamma) = OptionalGradientTarget(gamma);
            var (dbeta, addDbeta) = OptionalGradientTarget(beta);
            var workspace = dgamma is null && dbeta is null
                ? null
                : Temporary(new Shape(checked((int)Kernels.LayerNormBackwardWorkspace(x.Shape, modulated))), "layerNorm.workspace");
            Record(nameof(IKernels.LayerNormBackward), [x, gamma, dy], [dx, dgamma, dbeta, workspace],
                k => k.LayerNormBackward(
                    x.View, gamma?.View ?? default, epsilon, dy.View, dx?.View ?? default, addDx, dgamma?.View ?? default, addDgamma,
                    dbeta?.View ?? default, addDbeta, workspace?.View ?? default),
                14.0 * x.Count);
        });
        return y;
    }
}
