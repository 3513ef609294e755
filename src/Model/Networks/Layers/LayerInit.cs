using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks.Layers;

/// <summary>How training starts a linear layer or a convolution. The default is <see cref="Initializer.FanIn"/> for weight and bias.</summary>
internal readonly record struct LayerInit
{
    private readonly double? _gain;
    private readonly bool _xavier;

    private LayerInit(double gain, bool xavier) => (_gain, _xavier) = (gain, xavier);

    /// <summary>Weight and bias zero: the last layer of a residual branch.</summary>
    public static LayerInit Zero { get; } = new(0, xavier: false);

    /// <summary>The weight normal with this standard deviation, the bias zero.</summary>
    public static LayerInit Normal(double standardDeviation) => new(standardDeviation, xavier: false);

    /// <summary>The weight uniform in plus and minus gain sqrt(6 / (fanIn + fanOut)) (Glorot and Bengio 2010), the bias zero.</summary>
    public static LayerInit Xavier(double gain = 1) => new(gain, xavier: true);

    public Initializer Weight(int fanIn, int fanOut) => _gain is not { } gain ? Initializer.FanIn(fanIn)
        : gain == 0 ? Initializer.Zero
        : _xavier ? Initializer.Uniform(gain * Math.Sqrt(6.0 / (fanIn + fanOut)))
        : Initializer.Normal(gain);

    public Initializer Bias(int fanIn) => _gain is null ? Initializer.FanIn(fanIn) : Initializer.Zero;
}
