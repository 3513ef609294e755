using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Classifiers;

/// <summary>
/// A <see cref="ResNet"/> with its weights on one device, as EluCD guides by it: ReLUs made smooth by softplus, images as the denoiser makes them. The released code
/// neither normalises nor resizes; both are options.
/// </summary>
public sealed class ResNetClassifier : IClassifierNetwork, IDisposable
{
    private readonly bool _ownsParameters;
    private readonly ResNetGuideOptions _options;

    /// <summary>A classifier from a network and its weights.</summary>
    /// <param name="network">The network.</param>
    /// <param name="parameters">Its weights, which outlive the classifier.</param>
    /// <param name="options">Smoothness, normalisation.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public ResNetClassifier(ResNet network, Parameters parameters, ResNetGuideOptions? options = null) : this(network, parameters, options, ownsParameters: false) { }

    private ResNetClassifier(ResNet network, Parameters parameters, ResNetGuideOptions? options, bool ownsParameters)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(parameters);
        (Network, Parameters, _options, _ownsParameters) = (network, parameters, options ?? new ResNetGuideOptions(), ownsParameters);
        _options.Require(network.Config.InChannels);
    }

    /// <summary>The architecture.</summary>
    public ResNet Network { get; }

    /// <inheritdoc/>
    public int Classes => Network.Config.Classes;

    /// <inheritdoc/>
    public int Channels => Network.Config.InChannels;

    /// <inheritdoc/>
    public int? ImageSize => null;

    /// <inheritdoc/>
    public bool TakesNoise => false;

    /// <inheritdoc/>
    public Parameters Parameters { get; }

    /// <summary>Reads a published ResNet.</summary>
    /// <param name="path">The file, in any container that <see cref="CheckpointFile.Open"/> reads.</param>
    /// <param name="kernels">The device, which is also the denoiser's.</param>
    /// <param name="options">Smoothness, normalisation.</param>
    /// <exception cref="CheckpointException">The file is damaged or does not hold a ResNet; the message names file, key and values.</exception>
    public static ResNetClassifier Load(string path, IKernels kernels, ResNetGuideOptions? options = null)
    {
        using var file = CheckpointFile.Open(path);
        var published = PublishedCheckpoint.Require(file, c => c is ResNetConfig, "a ResNet classifier");
        var network = new ResNet((ResNetConfig)published.Config);
        var parameters = new Parameters(kernels, nameof(ResNetClassifier));
        try
        {
            network.Declare(parameters);
            network.Read(file, published.Prefix, parameters, kernels);
            return new ResNetClassifier(network, parameters, options, ownsParameters: true);
        }
        catch
        {
            parameters.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public Tensor RecordLogits(PlanBuilder b, Tensor images, Tensor timesteps)
    {
        if (_options.ResizeTo is { } size && (images.Shape[1] != size || images.Shape[2] != size))
            images = b.Resize(images, ResampleTable.Linear(images.Shape[1], size), ResampleTable.Linear(images.Shape[2], size));
        return Network.Record(b, _options.Normalised(b, images), _options.SoftplusBeta);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_ownsParameters) Parameters.Dispose();
    }
}
