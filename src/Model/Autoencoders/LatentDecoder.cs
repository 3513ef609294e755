using System.Globalization;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Autoencoders;

/// <summary>Makes pictures of what a diffusion model of latents sampled, one at a time, so that memory does not grow with their number. It serves one caller at a time.</summary>
public sealed class LatentDecoder : IDisposable
{
    private readonly UseGuard _guard = new(nameof(LatentDecoder), "A decoder serves one caller at a time; load one for each thread.");
    private readonly IKernels _kernels;
    private readonly KlAutoencoder _network;
    private readonly Parameters _parameters;
    private readonly Plan _plan;
    private readonly Tensor _latents, _images;
    private readonly float[] _scaled, _pixels;
    private readonly double _scale;

    private LatentDecoder(KlAutoencoder network, Parameters parameters, IKernels kernels, int size, double scale, Arena? arena)
    {
        (_kernels, _network, _parameters, _scale) = (kernels, network, parameters, scale);
        var b = new PlanBuilder(kernels, parameters);
        _latents = b.Input("latents", new Shape(1, size, size, network.Config.ZChannels));
        _images = b.Output("images", network.RecordDecoder(b, _latents));
        _plan = b.Build(arena);
        (_scaled, _pixels) = (new float[_latents.Count], new float[_images.Count]);
    }

    internal Parameters Parameters => _parameters;

    /// <summary>Height and width of the pictures.</summary>
    public int ImageSize => _images.Shape[1];

    /// <summary>Channels of the pictures.</summary>
    public int Channels => _images.Shape.Channels;

    /// <summary>Reads the autoencoder that a diffusion model of latents was trained with.</summary>
    /// <param name="path">A published checkpoint of it, in any container, or of a whole latent-diffusion model; or a folder of diffusers' with it, alone or as a part of a pipeline.</param>
    /// <param name="model">The diffusion model.</param>
    /// <param name="arena">Memory to share with other plans of the model's device.</param>
    /// <exception cref="CheckpointException">The file is damaged or is no such autoencoder, or says that its latents are scaled otherwise than the model's.</exception>
    /// <exception cref="ArgumentException">It makes latents of other channels than the model's, or the model is one of images.</exception>
    public static LatentDecoder Load(string path, DiffusionModel model, Arena? arena = null)
    {
        double scale = model.Settings.LatentScale ?? throw new ArgumentException("The model makes images, not latents; it needs no autoencoder.");
        using var file = CheckpointFile.Open(Directory.Exists(path) ? CheckpointFolder.WeightsOf(path, CheckpointFolder.Autoencoders) : path);
        var published = PublishedCheckpoint.Require(file, c => c is KlAutoencoderConfig, "an autoencoder");
        var network = new KlAutoencoder((KlAutoencoderConfig)published.Config);
        var config = model.Network.Config;
        if (network.Config.ZChannels != config.InChannels)
            throw new ArgumentException($"{path}: decodes latents of {network.Config.ZChannels} channels, and those of the model have {config.InChannels}.");
        if (DiffusersFolder.Beside(file)?.Model is { } settings && network.Config.ScaleFactor != scale)
        {
            if (!model.Assumptions.Any(a => a.Setting == DiffusersSettings.LatentScale))
                throw new CheckpointException(string.Create(CultureInfo.InvariantCulture,
                    $"{settings.Path}: says that latents are multiplied by {network.Config.ScaleFactor} (scaling_factor), and those of the model were by {scale}: it is another autoencoder than the model was trained with."));
            scale = network.Config.ScaleFactor;
        }
        var parameters = new Parameters(model.Kernels);
        try
        {
            network.Declare(parameters);
            network.Read(file, published.Prefix, parameters, model.Kernels);
            return new LatentDecoder(network, parameters, model.Kernels, config.ImageSize, scale, arena);
        }
        catch
        {
            parameters.Dispose();
            throw;
        }
    }

    /// <summary>The picture of latents as the diffusion model has them.</summary>
    /// <param name="latents">[h, w, C].</param>
    /// <param name="offset">See <see cref="PixelConversion.ToByte"/>.</param>
    /// <exception cref="ArgumentException">The latents have another size.</exception>
    /// <exception cref="InvalidOperationException">Another call uses the decoder.</exception>
    public Image Decode(ReadOnlySpan<float> latents, double offset = 128)
    {
        using var use = _guard.Write();
        if (latents.Length != _scaled.Length) throw new ArgumentException($"The decoder takes latents {_latents.Shape}, {_scaled.Length} elements; got {latents.Length}.");
        for (int i = 0; i < _scaled.Length; i++) _scaled[i] = (float)(latents[i] / _scale);
        _kernels.Upload(_scaled, _latents.View);
        _plan.Run();
        _kernels.Download(_images.View, _pixels);
        return PixelConversion.ToImage(_pixels, ImageSize, Channels, ImageSize, offset);
    }

    /// <summary>Records the decoder in another plan, which may take gradients towards the latents.</summary>
    /// <param name="b">The plan, on the decoder's device.</param>
    /// <param name="latents">[N, h, w, C] as the diffusion model has them.</param>
    /// <returns>Pictures [N, H, W, 3].</returns>
    internal Tensor Record(PlanBuilder b, Tensor latents)
    {
        var scaled = b.Scale(latents, (float)(1 / _scale));
        return b.With(_parameters, () => _network.RecordDecoder(b, scaled));
    }

    /// <summary>Frees the plan and the weights.</summary>
    /// <exception cref="InvalidOperationException">The decoder is in use.</exception>
    public void Dispose()
    {
        if (!_guard.End()) return;
        _plan.Dispose();
        _parameters.Dispose();
    }
}
