using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Classifiers;

/// <summary>The classifier of noisy images of Dhariwal and Nichol (arXiv 2105.05233) with its weights on one device.</summary>
public sealed class NoisyClassifier : IClassifierNetwork, IDisposable
{
    private readonly bool _ownsParameters;

    /// <summary>A classifier from a network and its weights.</summary>
    /// <param name="network">The network.</param>
    /// <param name="parameters">Its weights, which outlive the classifier.</param>
    public NoisyClassifier(EncoderUNet network, Parameters parameters) : this(network, parameters, ownsParameters: false) { }

    private NoisyClassifier(EncoderUNet network, Parameters parameters, bool ownsParameters)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(parameters);
        (Network, Parameters, _ownsParameters) = (network, parameters, ownsParameters);
    }

    /// <summary>The architecture.</summary>
    public EncoderUNet Network { get; }

    /// <inheritdoc/>
    public int Classes => Network.Config.OutChannels;

    /// <inheritdoc/>
    public int Channels => Network.Config.InChannels;

    /// <inheritdoc/>
    public int? ImageSize => Network.Config.ImageSize;

    /// <inheritdoc/>
    public bool TakesNoise => true;

    /// <inheritdoc/>
    public Parameters Parameters { get; }

    /// <summary>Reads a noisy classifier: a published one, or one that this library trained.</summary>
    /// <param name="path">The file, in any container that <see cref="CheckpointFile.Open"/> reads.</param>
    /// <param name="kernels">The device, which is also the denoiser's.</param>
    /// <exception cref="CheckpointException">The file is damaged or does not hold such a classifier; the message names file, key and values.</exception>
    public static NoisyClassifier Load(string path, IKernels kernels)
    {
        using var file = CheckpointFile.Open(path);
        var published = PublishedCheckpoint.Require(file, c => c is EncoderUNetConfig, "a noisy classifier");
        var network = new EncoderUNet((EncoderUNetConfig)published.Config);
        var parameters = new Parameters(kernels, nameof(NoisyClassifier));
        try
        {
            network.Declare(parameters);
            WeightFile.Read(file, published.Prefix, parameters, kernels, published.Family.IsBuffer);
            return new NoisyClassifier(network, parameters, ownsParameters: true);
        }
        catch
        {
            parameters.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public Tensor RecordLogits(PlanBuilder b, Tensor images, Tensor timesteps) => Network.Record(b, images, timesteps);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_ownsParameters) Parameters.Dispose();
    }
}
