namespace NativeDiffusion.Model.Networks;

/// <summary>
/// Arguments of <see cref="TutorialMlp"/>, the small perceptron of a published tutorial on classifier-free guidance. A convolutional network of the same size
/// is better; this one is small enough to be read and trained in minutes.
/// </summary>
public sealed record TutorialMlpConfig : INetworkConfig
{
    /// <summary>Height and width of the images.</summary>
    public int ImageSize { get; init; } = 28;

    /// <summary>Channels of the images.</summary>
    public int InChannels { get; init; } = 1;

    /// <summary>Labels, the null class included where there is one.</summary>
    public int NumClasses { get; init; } = 11;

    /// <summary>Channels of the class, of the time, and of the narrowest layer; the layers around it are twice as wide.</summary>
    public int Width { get; init; } = 256;

    /// <summary>What timesteps are multiplied by, so that times are 0 to 1.</summary>
    public double TimeScale { get; init; } = 0.001;

    /// <summary>
    /// Whether the output goes through tanh, as in the source: a defect of it, for the noise that the network has to predict is often beyond 1, which
    /// tanh cannot reach.
    /// </summary>
    public bool TanhHead { get; init; }

    int INetworkConfig.OutChannels => InChannels;

    int? INetworkConfig.NumClasses => NumClasses;

    /// <inheritdoc/>
    public IDiffusionNetwork Create() => new TutorialMlp(this);

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentException">A value is out of range; the message names it.</exception>
    public void Validate()
    {
        static void Require(bool ok, string message)
        {
            if (!ok) throw new ArgumentException(message);
        }
        Require(ImageSize is >= 1 and <= 512, $"image_size is 1 to 512 for a perceptron; got {ImageSize}.");
        Require(InChannels is >= 1 and <= 64, $"in_channels is 1 to 64; got {InChannels}.");
        Require(NumClasses is >= 1 and <= 1_000_000, $"num_classes is 1 to 1000000; got {NumClasses}.");
        Require(Width is >= 1 and <= 8192, $"width is 1 to 8192; got {Width}.");
        Require(TimeScale > 0 && double.IsFinite(TimeScale), $"time_scale is above 0; got {TimeScale}.");
    }
}
