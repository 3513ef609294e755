using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Clip;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Tests.Model.Clip;

/// <summary>The smallest CLIP that its file shows to be one, with random weights, and a vocabulary of single bytes.</summary>
internal static class TinyClip
{
    public static ClipConfig Config => new()
    {
        EmbedDim = 8, ImageResolution = 8, VisionLayers = 1, VisionWidth = 64, VisionPatchSize = 4, ContextLength = 8, VocabSize = 514, TransformerWidth = 64, TransformerHeads = 1,
        TransformerLayers = 1,
    };

    /// <summary>A vocabulary without merges, of <see cref="ClipConfig.VocabSize"/> tokens, or of more.</summary>
    public static void WriteVocabulary(string path, int merges = 0) => File.WriteAllLines(path, ["#version: 0.2", .. Enumerable.Range(0, merges).Select(i => $"{(char)('a' + i)} b")]);

    public static ClipTokenizer Tokenizer(int merges = 0)
    {
        string path = Path.GetTempFileName();
        try
        {
            WriteVocabulary(path, merges);
            return ClipTokenizer.Load(path);
        }
        finally
        {
            File.Delete(path);
        }
    }

    public static Parameters Weights(IKernels kernels)
    {
        var parameters = new Parameters(kernels);
        new ClipNetwork(Config).Declare(parameters);
        WeightInitialization.Apply(parameters, kernels, 3);
        // Initial weights are so small that all images look alike.
        foreach (var parameter in parameters.Items.Where(p => p.Shape.Rank > 1))
        {
            float[] values = new float[parameter.Shape.Count];
            Philox.Fill(values, 9, (uint)parameter.Offset, 0, RandomStream.Weights, 0.2);
            kernels.Upload(values, parameters.ValueOf(parameter));
        }
        parameters.MarkChanged();
        return parameters;
    }

    /// <summary>Writes it as its authors do.</summary>
    public static void Write(string path)
    {
        using var kernels = new CpuKernels(1);
        using var parameters = Weights(kernels);
        SafetensorsWriter.Write(path, parameters.Items.Select(p => TensorEntry.Of(
            p.Name, [.. p.PublishedShape.Select(e => (long)e)], WeightFile.ToPublished(parameters.ValueOf(p).Span.ToArray(), p.Shape))).ToList());
    }
}
