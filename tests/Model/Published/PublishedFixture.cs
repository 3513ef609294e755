using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Tests.Model.Published;

/// <summary>Small networks as others write them: names and tensors, and what they say beside these.</summary>
internal static class PublishedFixture
{
    /// <summary>As by the flags of improved-diffusion: 32 pixels, 4 heads, a learned variance.</summary>
    public static UNetConfig Adm { get; } = new()
    {
        ImageSize = 32, InChannels = 3, OutChannels = 6, ModelChannels = 32, NumResBlocks = 1, ChannelMult = [1, 2], AttentionResolutions = [2], NumHeads = 4, UseScaleShiftNorm = true,
    };

    public static DitConfig Dit { get; } = new() { InputSize = 8, PatchSize = 2, HiddenSize = 64, Depth = 1, NumHeads = 4, NumClasses = 10 };

    public static SongUNetConfig Song { get; } = new() { ImgResolution = 8, ModelChannels = 8, ChannelMult = [1, 2], NumBlocks = 1, AttnResolutions = [], LabelDim = 3 };

    /// <summary>Writes random weights of a network under prefixes, with metadata.</summary>
    public static void Write(string path, INetworkConfig network, IReadOnlyDictionary<string, string>? metadata = null, params string[] prefixes)
    {
        using var kernels = new CpuKernels(1);
        List<TensorEntry> entries = [];
        ulong seed = 0;
        foreach (string prefix in prefixes.Length == 0 ? [""] : prefixes)
        {
            using var parameters = new Parameters(kernels);
            network.Create().Declare(parameters);
            WeightInitialization.Apply(parameters, kernels, ++seed);
            entries.AddRange(parameters.Items.Select(p => TensorEntry.Of(
                prefix + p.Name, [.. p.PublishedShape.Select(e => (long)e)], WeightFile.ToPublished(parameters.ValueOf(p).Span.ToArray(), p.Shape))));
        }
        SafetensorsWriter.Write(path, entries, metadata);
    }
}
