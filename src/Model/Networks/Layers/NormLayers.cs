using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks.Layers;

/// <summary>What the group normalisations of a network have in common.</summary>
/// <param name="Groups">Groups.</param>
/// <param name="Epsilon">Added to the variance.</param>
/// <param name="ChannelsPerGroup">Least channels of a group: narrow tensors have fewer groups.</param>
internal readonly record struct GroupNormOptions(int Groups, double Epsilon, int ChannelsPerGroup = 1)
{
    public GroupNormLayer Layer(string name, int channels) =>
        new(name, channels, Math.Min(Groups, Math.Max(1, channels / ChannelsPerGroup)), Epsilon);
}

/// <summary>Group normalisation with a factor and a term per channel: <c>Name.weight</c> and <c>Name.bias</c>.</summary>
internal sealed record GroupNormLayer(string Name, int Channels, int Groups, double Epsilon)
{
    public void Declare(Parameters parameters)
    {
        parameters.Add(Name + ".weight", new Shape(Channels), Initializer.One);
        parameters.Add(Name + ".bias", new Shape(Channels));
    }

    public Tensor Record(PlanBuilder b, Tensor x, Tensor? scaleShift = null, bool silu = false) =>
        b.GroupNorm(x, b.Parameter(Name + ".weight"), b.Parameter(Name + ".bias"), Groups, Epsilon, scaleShift, silu);

    /// <summary>The same normalisation inside the convolution that follows it: its result is never stored.</summary>
    public Conv2dNorm OnTheWayIn(PlanBuilder b, Tensor? scaleShift = null, bool silu = false) =>
        new(b.Parameter(Name + ".weight"), b.Parameter(Name + ".bias"), Groups, Epsilon, scaleShift, silu);
}

/// <summary>Layer normalisation over the innermost extent, with <c>Name.weight</c> and <c>Name.bias</c> where it is affine.</summary>
internal sealed record LayerNormLayer(string Name, int Channels, double Epsilon)
{
    public bool Affine { get; init; } = true;

    public void Declare(Parameters parameters)
    {
        if (!Affine) return;
        parameters.Add(Name + ".weight", new Shape(Channels), Initializer.One);
        parameters.Add(Name + ".bias", new Shape(Channels));
    }

    public Tensor Record(PlanBuilder b, Tensor x) =>
        b.LayerNorm(x, Affine ? b.Parameter(Name + ".weight") : null, Affine ? b.Parameter(Name + ".bias") : null, Epsilon);
}
