using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks;

public sealed partial class UNet
{
    private enum Resample { None, Down, Up }

    private static void DeclareLinear(Parameters parameters, string name, int from, int to)
    {
        parameters.Add(name + ".weight", new Shape(to, from), Initializer.FanIn(from));
        parameters.Add(name + ".bias", new Shape(to), Initializer.FanIn(from));
    }

    private static void DeclareNorm(Parameters parameters, string name, int width)
    {
        parameters.Add(name + ".weight", new Shape(width), Initializer.One);
        parameters.Add(name + ".bias", new Shape(width));
    }

    private static void DeclareConv(Parameters parameters, string name, int from, int to, int kernel, bool zero = false, params int[] publishedShape)
    {
        var initializer = zero ? Initializer.Zero : Initializer.FanIn(from * kernel * kernel);
        parameters.Add(name + ".weight", new Shape(to, kernel, kernel, from), initializer, publishedShape);
        parameters.Add(name + ".bias", new Shape(to), initializer);
    }

    private static Tensor RecordLinear(PlanBuilder b, string name, Tensor x) => b.Linear(x, b.Parameter(name + ".weight"), b.Parameter(name + ".bias"));

    private static Tensor RecordNorm(PlanBuilder b, UNetConfig config, string name, Tensor x, bool silu, Tensor? scaleShift = null) =>
        b.GroupNorm(x, b.Parameter(name + ".weight"), b.Parameter(name + ".bias"), config.NormGroups, NormEpsilon, scaleShift, silu);

    private static Tensor RecordConv(
        PlanBuilder b, string name, Tensor x, Tensor? embedding = null, Tensor? residual = null, int stride = 1, Conv2dNorm? norm = null) =>
        b.Conv2d(x, b.Parameter(name + ".weight"), b.Parameter(name + ".bias"), new Conv2dOptions { Embedding = embedding, Residual = residual, Stride = stride, Norm = norm });

    private static Conv2dNorm Norm(PlanBuilder b, UNetConfig config, string name, bool silu, Tensor? scaleShift = null) =>
        new(b.Parameter(name + ".weight"), b.Parameter(name + ".bias"), config.NormGroups, NormEpsilon, scaleShift, silu);

    private static Tensor RecordDropout(BlockContext context, Tensor h)
    {
        var source = context.Dropout ?? throw new ArgumentException($"A U-Net that trains with dropout {context.Config.Dropout} needs a source of random numbers.");
        return context.Builder.Dropout(h, (float)context.Config.Dropout, source.Seed, source.Step, source.SampleIndex);
    }

    /// <summary>What every block of one recording shares; the embedding has passed its SiLU.</summary>
    private sealed record BlockContext(PlanBuilder Builder, UNetConfig Config, Tensor Embedding, DropoutSource? Dropout);

    private abstract class Block(string name)
    {
        protected string Name { get; } = name;

        public abstract void Declare(Parameters parameters, UNetConfig config);

        public Tensor Record(BlockContext context, Tensor x)
        {
            context.Builder.Scope = Name;
            var y = RecordBlock(context, x);
            context.Builder.Scope = "";
            return y;
        }

        protected abstract Tensor RecordBlock(BlockContext context, Tensor x);
    }

    private sealed class InputConv(string name, int from, int to) : Block(name)
    {
        public override void Declare(Parameters parameters, UNetConfig config) => DeclareConv(parameters, Name, from, to, 3);

        protected override Tensor RecordBlock(BlockContext context, Tensor x) => RecordConv(context.Builder, Name, x);
    }

    private sealed class Downsample(string name, int width) : Block(name)
    {
        public override void Declare(Parameters parameters, UNetConfig config)
        {
            if (config.ConvResample) DeclareConv(parameters, Name + ".op", width, width, 3);
        }

        protected override Tensor RecordBlock(BlockContext context, Tensor x) => context.Config.ConvResample
            ? RecordConv(context.Builder, Name + ".op", x, stride: 2)
            : context.Builder.AveragePool2x(x);
    }

    private sealed class Upsample(string name, int width) : Block(name)
    {
        public override void Declare(Parameters parameters, UNetConfig config)
        {
            if (config.ConvResample) DeclareConv(parameters, Name + ".conv", width, width, 3);
        }

        protected override Tensor RecordBlock(BlockContext context, Tensor x)
        {
            x = context.Builder.UpsampleNearest2x(x);
            return context.Config.ConvResample ? RecordConv(context.Builder, Name + ".conv", x) : x;
        }
    }

    /// <summary>
    /// Two convolutions, each after GroupNorm and SiLU, around a residual. The embedding enters at the second normalisation; resampling
    /// happens between the first SiLU and its convolution, and on the residual.
    /// </summary>
    private sealed class ResBlock(string name, int from, int to, Resample resample = Resample.None) : Block(name)
    {
        public override void Declare(Parameters parameters, UNetConfig config)
        {
            DeclareNorm(parameters, Name + ".in_layers.0", from);
            DeclareConv(parameters, Name + ".in_layers.2", from, to, 3);
            DeclareLinear(parameters, Name + ".emb_layers.1", 4 * config.ModelChannels, config.UseScaleShiftNorm ? 2 * to : to);
            DeclareNorm(parameters, Name + ".out_layers.0", to);
            DeclareConv(parameters, Name + ".out_layers.3", to, to, 3, zero: true);
            if (from != to) DeclareConv(parameters, Name + ".skip_connection", from, to, 1);
        }

        protected override Tensor RecordBlock(BlockContext context, Tensor x)
        {
            var b = context.Builder;
            var embedding = RecordLinear(b, Name + ".emb_layers.1", context.Embedding);
            bool scaleShift = context.Config.UseScaleShiftNorm, dropout = context.Config.Dropout > 0 && b.Training;
            var added = scaleShift ? null : embedding;
            var h = resample == Resample.None
                ? RecordConv(b, Name + ".in_layers.2", x, added, norm: Norm(b, context.Config, Name + ".in_layers.0", silu: true))
                : RecordConv(b, Name + ".in_layers.2", Resampled(b, RecordNorm(b, context.Config, Name + ".in_layers.0", x, silu: true)), added);
            var residual = Resampled(b, x);
            if (from != to) residual = RecordConv(b, Name + ".skip_connection", residual);
            string norm = Name + ".out_layers.0", conv = Name + ".out_layers.3";
            if (!dropout) return RecordConv(b, conv, h, residual: residual, norm: Norm(b, context.Config, norm, silu: true, scaleShift ? embedding : null));
            h = RecordNorm(b, context.Config, norm, h, silu: true, scaleShift ? embedding : null);
            return RecordConv(b, conv, RecordDropout(context, h), residual: residual);
        }

        private Tensor Resampled(PlanBuilder b, Tensor x) => resample switch
        {
            Resample.Down => b.AveragePool2x(x),
            Resample.Up => b.UpsampleNearest2x(x),
            _ => x,
        };
    }

    private sealed class AttentionBlock(string name, int width, int heads) : Block(name)
    {
        public override void Declare(Parameters parameters, UNetConfig config)
        {
            DeclareNorm(parameters, Name + ".norm", width);
            DeclareConv(parameters, Name + ".qkv", width, 3 * width, 1, zero: false, 3 * width, width, 1);
            DeclareConv(parameters, Name + ".proj_out", width, width, 1, zero: true, width, width, 1);
        }

        protected override Tensor RecordBlock(BlockContext context, Tensor x)
        {
            var b = context.Builder;
            var qkv = RecordConv(b, Name + ".qkv", x, norm: Norm(b, context.Config, Name + ".norm", silu: false));
            var order = context.Config.UseNewAttentionOrder ? QkvOrder.Split : QkvOrder.PerHead;
            return RecordConv(b, Name + ".proj_out", b.Attention(qkv, heads, order), residual: x);
        }
    }
}
