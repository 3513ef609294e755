using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

/// <summary>What a convolution does besides convolving; everything is optional.</summary>
public sealed record Conv2dOptions
{
    /// <summary>Step between output pixels, at least 1.</summary>
    public int Stride { get; init; } = 1;

    /// <summary>Zero pixels around the image (above and to the left, with an <see cref="EndPadding"/>); half the kernel when left out, in each direction.</summary>
    public int? Padding { get; init; }

    /// <summary>Zero pixels below and to the right of the image; <see cref="Padding"/> when left out.</summary>
    public int? EndPadding { get; init; }

    /// <summary>A vector per image and output channel, [N, Cout], added to every pixel.</summary>
    public Tensor? Embedding { get; init; }

    /// <summary>A tensor of the result's shape that is added to it.</summary>
    public Tensor? Residual { get; init; }

    /// <summary>Takes max(., 0) of the sum of all that.</summary>
    public bool Relu { get; init; }

    /// <summary>Takes softplus of this beta of the sum, as <see cref="PlanBuilder.Softplus"/>; null for none.</summary>
    public float? SoftplusBeta { get; init; }

    /// <summary>A normalisation of x on its way in; the normalised tensor is never stored.</summary>
    public Conv2dNorm? Norm { get; init; }
}

/// <summary>GroupNorm, with optional scale, shift and SiLU, that a convolution applies to its input (see <see cref="PlanBuilder.GroupNorm"/>).</summary>
/// <param name="Gamma">[Cin].</param>
/// <param name="Beta">[Cin].</param>
/// <param name="Groups">Number of groups; divides Cin.</param>
/// <param name="Epsilon">Added to the variance.</param>
/// <param name="ScaleShift">[N, 2 Cin], scales first; null for none.</param>
/// <param name="Silu">Whether SiLU follows.</param>
public sealed record Conv2dNorm(Tensor Gamma, Tensor Beta, int Groups, double Epsilon, Tensor? ScaleShift = null, bool Silu = false);

public sealed partial class PlanBuilder
{
    // By the gradient that they wrote, with their step.
    private readonly Dictionary<Tensor, (int Step, GradientActivation Through)> _inputGradients = [];

    /// <summary>
    /// Two-dimensional convolution (cross-correlation) of NHWC images: y[n,i,j,o] = sum of x[n, i s + a - p, j s + b - p, c] w[o,a,b,c], zero
    /// outside the image, plus bias, embedding and residual.
    /// </summary>
    /// <param name="x">Images [N, H, W, Cin].</param>
    /// <param name="weight">[Cout, Kh, Kw, Cin].</param>
    /// <param name="bias">[Cout], or null.</param>
    /// <param name="options">Stride, padding, additions.</param>
    /// <exception cref="ArgumentException">Shapes that do not fit; the message has them.</exception>
    public Tensor Conv2d(Tensor x, Tensor weight, Tensor? bias = null, Conv2dOptions? options = null)
    {
        options ??= new Conv2dOptions();
        if (x.Shape.Rank != 4 || weight.Shape.Rank != 4 || x.Shape[3] != weight.Shape[3])
            throw new ArgumentException($"Conv2d takes images [N,H,W,Cin] and a weight [Cout,Kh,Kw,Cin]; got {x} and {weight}.");
        var shape = new Conv2dShape(
            x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3], weight.Shape[0], weight.Shape[1], weight.Shape[2],
            options.Stride, options.Padding ?? weight.Shape[1] / 2);
        if (options.Padding is null && options.EndPadding is null && shape.KernelWidth / 2 != shape.Padding) shape = shape with { WidthPadding = shape.KernelWidth / 2 };
        if (options.EndPadding is { } end) shape = shape with { EndPadding = end };
        if (shape.Stride < 1 || shape.Padding < 0 || shape.EndPadding < 0 || shape.OutHeight < 1 || shape.OutWidth < 1)
            throw new ArgumentException(
                $"Conv2d of {x} with {weight}, stride {shape.Stride} and padding {shape.Padding} to {shape.EndPadding} has no output.");
        var outShape = new Shape(shape.Batch, shape.OutHeight, shape.OutWidth, shape.OutChannels);
        if (bias is not null && bias.Shape != new Shape(shape.OutChannels))
            throw new ArgumentException($"Conv2d with weight {weight} takes a bias of {shape.OutChannels} elements; got {bias}.");
        if (options.Embedding is { } e && e.Shape != new Shape(shape.Batch, shape.OutChannels))
            throw new ArgumentException($"Conv2d to {outShape} takes an embedding [{shape.Batch},{shape.OutChannels}]; got {e}.");
        if (options.Residual is { } r && r.Shape != outShape)
            throw new ArgumentException($"Conv2d to {outShape} takes a residual of that shape; got {r}.");
        if (options.SoftplusBeta is { } beta)
        {
            RequireSoftplus(beta);
            if (options.Relu) throw new ArgumentException($"Conv2d to {outShape} takes one activation; got ReLU and softplus of beta {beta}.");
        }

        var norm = options.Norm;
        if (norm is not null) CheckGroupNorm(x, norm.Gamma, norm.Beta, norm.ScaleShift);
        if (AreShared(out var rows, x, options.Embedding, options.Residual, norm?.ScaleShift))
        {
            var shared = options with
            {
                Embedding = options.Embedding?.GatheredFrom,
                Residual = options.Residual?.GatheredFrom,
                Norm = norm is null ? null : norm with { ScaleShift = norm.ScaleShift?.GatheredFrom },
            };
            return Share(_steps.Count, Conv2d(x.GatheredFrom!, weight, bias, shared), rows);
        }
        var y = Temporary(outShape, "conv");
        var (embedding, residual) = (options.Embedding, options.Residual);
        var source = new ConvolutionInput(x, norm, norm is null ? default : RecordGroupNormStats(x, norm.Groups, norm.Epsilon));
        var packed = PackedConv2d(weight, shape, Conv2dPass.Forward);
        Record(nameof(IKernels.Conv2dForward), [.. source.Tensors, packed, bias, embedding, residual], [y], k =>
        {
            var epilogue = new Conv2dEpilogue
            {
                Bias = bias?.View ?? default,
                Embedding = embedding?.View ?? default,
                Residual = residual?.View ?? default,
                Activation = options.SoftplusBeta is not null ? Activation.Softplus : options.Relu ? Activation.Relu : Activation.None,
                Beta = options.SoftplusBeta ?? 0,
            };
            k.Conv2dForward(shape, source.Views(), packed.View, epilogue, y.View);
        }, shape.Flops, Kernels.Conv2dAlgorithm(shape, Conv2dPass.Forward));

        OnBackward([x, norm?.Gamma, norm?.Beta, norm?.ScaleShift, weight, bias, embedding, residual], y, dy =>
        {
            if (options.Relu || options.SoftplusBeta is not null) dy = RecordActivationBackward(y, dy, options.SoftplusBeta);
            if (NeedsGradient(weight)) RecordConv2dWeightGrad(shape, source, weight, dy);
            if (NeedsGradient(bias))
            {
                var (db, accumulate) = GradientTarget(bias!);
                Record(nameof(IKernels.Conv2dBiasGrad), [dy], [db], k => k.Conv2dBiasGrad(dy.View, db.View, accumulate), dy.Count);
            }
            if (NeedsGradient(embedding))
            {
                var (de, accumulate) = GradientTarget(embedding!);
                Record(nameof(IKernels.PixelSum), [dy], [de], k => k.PixelSum(dy.View, de.View, accumulate), dy.Count);
            }
            if (norm is not null && (NeedsGradient(x) || NeedsGradient(norm.Gamma) || NeedsGradient(norm.Beta) || NeedsGradient(norm.ScaleShift)))
            {
                var du = Temporary(x.Shape, "d_normalised");
                RecordConv2dInputGrad(shape, weight, dy, du, accumulate: false);
                RecordGroupNormBackward(x, source.Stats, norm.Gamma, norm.Beta, norm.ScaleShift, norm.Silu, du);
            }
            else if (norm is null && NeedsGradient(x))
            {
                var (dx, accumulate) = GradientTarget(x);
                RecordConv2dInputGrad(shape, weight, dy, dx, accumulate);
            }
            if (residual is not null) PassGradient(dy, residual);
        });
        return y;
    }

    private void RecordConv2dInputGrad(Conv2dShape shape, Tensor weight, Tensor dy, Tensor du, bool accumulate)
    {
        var packed = PackedConv2d(weight, shape, Conv2dPass.InputGrad);
        var through = new GradientActivation();
        Record(nameof(IKernels.Conv2dInputGrad), [dy, packed], [du],
            k => k.Conv2dInputGrad(shape, dy.View, packed.View, du.View, accumulate, through.View), shape.Flops, Kernels.Conv2dAlgorithm(shape, Conv2dPass.InputGrad));
        _inputGradients[du] = (_steps.Count - 1, through);
    }

    /// <summary>
    /// The gradient in front of the activation that a convolution applied last, which follows from its result. If another convolution's input gradient was the last
    /// to add to the gradient behind the activation, that step multiplies by the derivative on its way out, in place.
    /// </summary>
    private Tensor RecordActivationBackward(Tensor y, Tensor dy, float? softplusBeta)
    {
        if (_inputGradients.Remove(dy, out var last) && !_shared.Contains(dy.Root) && !_callerOwned.Contains(dy.Root)
            && _steps.FindLastIndex(step => step.Reads.Concat(step.Writes).Any(t => t.Root == dy.Root)) == last.Step)
        {
            (last.Through.Result, last.Through.SoftplusBeta) = (y, softplusBeta);
            _steps[last.Step] = _steps[last.Step].Reading(y);
            y.Root.LastStep = Math.Max(y.Root.LastStep, last.Step);
            return dy;
        }
        var dx = Temporary(y.Shape, "d_activated");
        if (softplusBeta is { } beta)
            Record(nameof(IKernels.SoftplusBackward), [y, dy], [dx], k => k.SoftplusBackward(y.View, beta, dy.View, dx.View, accumulate: false), 5.0 * y.Count);
        else Record(nameof(IKernels.ReluBackward), [y, dy], [dx], k => k.ReluBackward(y.View, dy.View, dx.View, accumulate: false), 1.0 * y.Count);
        return dx;
    }

    private void RecordConv2dWeightGrad(Conv2dShape shape, ConvolutionInput source, Tensor weight, Tensor dy)
    {
        var (dw, accumulate) = GradientTarget(weight);
        long length = Kernels.Conv2dWeightGradWorkspace(shape);
        var workspace = length > 0 ? Temporary(new Shape(checked((int)length)), "conv_dw_partials") : null;
        Record(nameof(IKernels.Conv2dWeightGrad), [.. source.Tensors, dy], [dw, workspace],
            k => k.Conv2dWeightGrad(shape, source.Views(), dy.View, workspace?.View ?? default, dw.View, accumulate), shape.Flops,
            Kernels.Conv2dWeightGradAlgorithm(shape));
    }

    private Tensor PackedConv2d(Tensor weight, Conv2dShape shape, Conv2dPass pass)
    {
        // The layout depends on the map's size (which algorithm wins), never on the batch; plans of all batch sizes share it.
        var layoutShape = shape with { Batch = 1 };
        long length = Kernels.Conv2dPackedLength(layoutShape, pass);
        return length == 0 ? weight : Packed(weight, $"{pass}:{layoutShape}", length, nameof(IKernels.Conv2dPack),
            (k, w, packed) => k.Conv2dPack(layoutShape, pass, w, packed));
    }

    /// <summary>The activation that an input gradient goes through; known once the op before it is recorded.</summary>
    private sealed class GradientActivation
    {
        public Tensor? Result { get; set; }

        public float? SoftplusBeta { get; set; }

        public ActivationGradient View => Result is null ? default : new()
        {
            Result = Result.View,
            Activation = SoftplusBeta is null ? Activation.Relu : Activation.Softplus,
            Beta = SoftplusBeta ?? 0,
        };
    }

    /// <summary>What a convolution reads besides its weight, in the forward pass and again for the weight's gradient.</summary>
    private sealed record ConvolutionInput(Tensor X, Conv2dNorm? Norm, NormStats Stats)
    {
        public Tensor?[] Tensors => Norm is null ? [X] : [X, Stats.Mean, Stats.Rstd, Norm.Gamma, Norm.Beta, Norm.ScaleShift];

        public Conv2dInput Views() => Norm is null
            ? new Conv2dInput { X = X.View }
            : new Conv2dInput
            {
                X = X.View,
                NormMean = Stats.Mean.View,
                NormRstd = Stats.Rstd.View,
                Gamma = Norm.Gamma.View,
                Beta = Norm.Beta.View,
                ScaleShift = Norm.ScaleShift?.View ?? default,
                Silu = Norm.Silu,
                Groups = Norm.Groups,
            };
    }
}
