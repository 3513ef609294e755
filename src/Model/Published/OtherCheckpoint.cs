using System.Text.RegularExpressions;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Published;

/// <summary>A checkpoint of a kind that is known by its tensors' names, and not used, or only in part.</summary>
/// <param name="Title">What it is.</param>
/// <param name="Remedy">What to do, a sentence.</param>
internal sealed partial record OtherCheckpoint(string Title, string Remedy)
{
    private const string TextConditioned = "its denoiser is conditioned on texts, which is not supported", OfAnother = "it changes another model's weights and is nothing by itself";

    private static readonly (Predicate<string> Has, Func<CheckpointFile, OtherCheckpoint> What)[] Kinds =
    [
        (name => OptimiserState().IsMatch(name), _ => new("state of PyTorch's optimiser (moments of a training)", "it holds no weights: give the model's file beside it, ema_*.pt or model*.pt for example.")),
        (Contains(".lora_A.", ".lora_B.", ".lora_down.", ".lora_up.", ".lora.down.", ".lora.up.", "lora_unet_"), file => new($"LoRA of {file.Tensors.Count} tensors", $"{OfAnother}: merge it into its model with the tool that made it, and give the whole model.")),
        (Contains(".hada_w1_a", ".lokr_w1"), file => new($"LyCORIS adapter of {file.Tensors.Count} tensors", $"{OfAnother}: merge it into its model with the tool that made it, and give the whole model.")),
        (Starts("control_model.", "controlnet_cond_embedding."), _ => new("ControlNet", $"{OfAnother}; control by pictures of edges or poses is not supported.")),
        (Is("emb_params", "string_to_param.*"), _ => new("textual inversion (a word's embedding)", "it belongs to a model of texts, which are not supported.")),
        (Starts("conditioner.embedders."), file => StableDiffusion("Stable Diffusion XL checkpoint", file)),
        (Starts("model.diffusion_model.joint_blocks."), file => StableDiffusion("Stable Diffusion 3 checkpoint", file)),
        (Starts("cond_stage_model."), file => StableDiffusion("Stable Diffusion checkpoint", file)),
        (Starts("model.diffusion_model."), file => StableDiffusion("latent diffusion checkpoint", file)),
        (Starts("double_blocks.0.", "model.diffusion_model.double_blocks."), _ => new("Flux transformer", TextConditioned + ".")),
        (name => name.Contains(".attn2.to_k.", StringComparison.Ordinal), _ => new("text-conditioned network of diffusers", TextConditioned + "; give a model of classes, as DiT's or ADM's.")),
        (name => name.StartsWith("text_model.encoder.", StringComparison.Ordinal), _ => new("CLIP text encoder", "for CLIP guidance, give OpenAI's whole CLIP with its vision transformer.")),
        (name => name.EndsWith("encoder.block.0.layer.0.SelfAttention.q.weight", StringComparison.Ordinal), _ => new("T5 text encoder", "texts are not supported.")),
    ];

    /// <summary>What a file is, if it is one of those; null for others.</summary>
    public static OtherCheckpoint? Of(CheckpointFile file) =>
        Kinds.Where(kind => file.Tensors.Any(t => kind.Has(t.Name))).Select(kind => kind.What(file)).FirstOrDefault() ?? DiffusersSettings.Unsupported(file);

    private static OtherCheckpoint StableDiffusion(string title, CheckpointFile file) => new(
        title + " (denoiser, text encoder, autoencoder)",
        TextConditioned + (file.Tensors.Any(t => t.Name.StartsWith("first_stage_model.", StringComparison.Ordinal)) ? "; its autoencoder is used where --autoencoder (KlAutoencoder.Load) is given this file." : "."));

    private static Predicate<string> Contains(params string[] parts) => name => parts.Any(part => name.Contains(part, StringComparison.Ordinal));

    private static Predicate<string> Starts(params string[] parts) => name => parts.Any(part => name.StartsWith(part, StringComparison.Ordinal));

    private static Predicate<string> Is(params string[] names) => name => names.Contains(name);

    [GeneratedRegex(@"^(optimizer\.)?state\.[0-9]+\.(exp_avg|exp_avg_sq|max_exp_avg_sq|momentum_buffer|square_avg|step)$")]
    private static partial Regex OptimiserState();
}
