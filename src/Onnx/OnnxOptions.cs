using System.Collections.Immutable;

namespace NativeDiffusion.Onnx;

/// <summary>How a network of an ONNX file sees images, and what of it is used.</summary>
public sealed record OnnxOptions
{
    /// <summary>Height and width of the network's images, where the file leaves them free; must be the file's where it says them.</summary>
    public int? InputSize { get; init; }

    /// <summary>
    /// Mean and deviation of each channel, in the network's order, or one of all, of [0, 1] images that are normalised to 0 and 1; empty for images in [-1, 1] as they are. A network of
    /// pixels from 0 to 255 minus a mean m takes m / 255 and 1 / 255.
    /// </summary>
    public ImmutableArray<(double Mean, double Deviation)> Normalisation { get; init; } = [];

    /// <summary>Whether the network takes blue first.</summary>
    public bool Bgr { get; init; }

    /// <summary>Whether it was trained on noisy images, though it is not told how noisy, and so may guide at them (<see cref="Model.Guiders.ClassifierGuider"/>).</summary>
    public bool TakesNoise { get; init; }

    /// <summary>beta of the softplus in place of every Relu, above 0; infinity keeps them. EluCD's values are 3 (DDPM) and 5 (EDM).</summary>
    public double SoftplusBeta { get; init; } = double.PositiveInfinity;

    /// <summary>The value of the graph that is the result; its first output when left out.</summary>
    public string? Output { get; init; }

    /// <summary>Names of the classes; those of the file's metadata or their numbers when left out.</summary>
    public ImmutableArray<string> ClassNames { get; init; } = [];

    /// <exception cref="ArgumentException">A value is out of range.</exception>
    internal void Require(int channels)
    {
        if (!(SoftplusBeta > 0)) throw new ArgumentException($"The softplus takes a positive beta, or infinity for Relu; got {SoftplusBeta}.");
        if (Normalisation.Length > 1 && Normalisation.Length != channels) throw new ArgumentException($"The normalisation has {Normalisation.Length} channels, the network {channels}.");
        if (Normalisation.Any(n => !(n.Deviation > 0) || !double.IsFinite(n.Mean))) throw new ArgumentException("The normalisation's deviations are above 0, its means finite.");
        if (InputSize is < 1 or > 8192) throw new ArgumentException($"A network's images have 1 to 8192 pixels a side; got {InputSize}.");
        if (Bgr && channels != 3) throw new ArgumentException($"Blue comes first among three channels, and the network has {channels}.");
    }
}
