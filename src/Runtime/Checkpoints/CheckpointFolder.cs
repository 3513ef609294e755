namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>
/// Finds the weights in a folder: of a training of this tool, of a model in parts with its index, or as the libraries of Hugging Face lay models out, alone or with others in a pipeline.
/// </summary>
internal static class CheckpointFolder
{
    private const string IndexEnding = ".index.json", PipelineFile = "model_index.json";

    // A training's own first; safetensors before PyTorch, where both stand side by side.
    private static readonly string[] Usual =
        ["model.safetensors", "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin", "pytorch_model.bin"];

    /// <summary>The parts of a pipeline that predict noise.</summary>
    public static readonly IReadOnlyList<string> Denoisers = ["unet", "transformer"];

    /// <summary>The part of a pipeline between pictures and latents.</summary>
    public static readonly IReadOnlyList<string> Autoencoders = ["vae", "vqvae"];

    /// <summary>The file, or the index of a file in parts.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="parts">Which part of a pipeline is meant; the denoiser when left out.</param>
    /// <exception cref="CheckpointException">There is none, or it is not clear which.</exception>
    public static string WeightsOf(string folder, IReadOnlyList<string>? parts = null)
    {
        parts ??= Denoisers;
        if (parts.Select(part => Path.Combine(folder, part)).FirstOrDefault(Directory.Exists) is { } part && !Usual.Any(name => File.Exists(Path.Combine(folder, name)))) return WeightsOf(part, []);
        string[] indices = [.. Directory.EnumerateFiles(folder, "*" + IndexEnding).Order(StringComparer.Ordinal)];
        // Both kinds stand side by side in many published folders.
        if (indices.Length > 1 && indices.Where(f => f.EndsWith(".safetensors" + IndexEnding, StringComparison.Ordinal)).ToArray() is [var preferred]) return preferred;
        if (indices.Length == 1) return indices[0];
        if (indices.Length == 0 && Usual.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists) is { } usual) return usual;
        string[] others = [.. Directory.EnumerateFiles(folder).Where(file => Path.GetExtension(file) is ".safetensors" or ".pt" or ".pth" or ".ckpt" or ".bin").Order(StringComparer.Ordinal)];
        if (indices.Length == 0 && others.Length == 1) return others[0];
        string inside = indices.Length + others.Length == 0
            ? File.Exists(Path.Combine(folder, PipelineFile)) ? $"of a pipeline without a part {string.Join(" or ", parts.Count > 0 ? parts : Denoisers)}" : "without weights"
            : $"with {indices.Length + others.Length} files of weights ({string.Join(", ", indices.Concat(others).Take(5).Select(Path.GetFileName))}{(indices.Length + others.Length > 5 ? ", ..." : "")})";
        throw new CheckpointException($"{folder}: is a folder {inside}; give the file.");
    }
}
