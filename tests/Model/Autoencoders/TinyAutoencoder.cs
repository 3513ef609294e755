using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Autoencoders;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Tests.Model.Autoencoders;

/// <summary>A small autoencoder as published, and a transformer of its latents: 8 x 8 x 4 for pictures of 16 x 16 x 3.</summary>
internal static class TinyAutoencoder
{
    public const int Latents = 8, Pictures = 16, Channels = 4;

    /// <summary>Writes the autoencoder.</summary>
    public static void Write(string path)
    {
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        new KlAutoencoder(new KlAutoencoderConfig { Ch = 32, ChMult = [1, 1], NumResBlocks = 1 }).Declare(parameters);
        WeightInitialization.Apply(parameters, kernels, 2);
        SafetensorsWriter.Write(path, parameters.Items.Select(p => TensorEntry.Of(
            p.Name, [.. p.PublishedShape.Select(e => (long)e)], WeightFile.ToPublished(parameters.ValueOf(p).Span.ToArray(), p.Shape))).ToList());
    }

    /// <summary>A model of three classes whose guided channels are the first three, with layers that start at zero filled.</summary>
    public static DiffusionModel Model(IKernels kernels)
    {
        var network = new DitConfig { InputSize = Latents, PatchSize = 4, InChannels = Channels, HiddenSize = 32, Depth = 1, NumHeads = 2, NumClasses = 3 };
        var settings = new DiffusionSettings { ClassNames = ["a", "b", "c"], LatentScale = 0.18215, GuidedChannels = 3 };
        var model = new DiffusionModel(network, settings, kernels, seed: 5);
        TinyModel.FillRandom(model.Parameters, kernels);
        return model;
    }
}
