using System.Text.Json.Serialization;

namespace NativeDiffusion.Model.Published;

/// <summary>
/// What a user knows of a published checkpoint that neither its tensors nor its own settings say; what is null is left to the file, and
/// else assumed. A value that contradicts the file is an error. JSON names are those of the published training scripts.
/// </summary>
public sealed record PublishedSettings
{
    /// <summary>Attention heads of every attention (ADM, DiT).</summary>
    public int? NumHeads { get; init; }

    /// <summary>Channels of an attention head, instead of a number of heads (ADM).</summary>
    public int? NumHeadChannels { get; init; }

    /// <summary>Order of the channels of qkv (ADM): split first (true), or grouped by head (false).</summary>
    public bool? UseNewAttentionOrder { get; init; }

    /// <summary>Height and width of the images (ADM).</summary>
    public int? ImageSize { get; init; }

    /// <summary>Noise levels of the training; of EDM's networks, their preconditioning.</summary>
    [JsonPropertyName("noise_schedule")]
    public NoiseScheduleKind? Schedule { get; init; }

    /// <summary>Number of discrete noise levels (ADM, DiT).</summary>
    [JsonPropertyName("diffusion_steps")]
    public int? Timesteps { get; init; }

    /// <summary>Whether the network receives timesteps times 1000 / T (ADM, DiT).</summary>
    public bool? RescaleTimesteps { get; init; }

    /// <summary>What the network predicts (ADM, DiT).</summary>
    public PredictionType? Prediction { get; init; }

    /// <summary>Whether there is a null class: the last row of the label embedding (ADM, DiT), or a label vector of zeros (EDM).</summary>
    public bool? NullClass { get; init; }
}

/// <summary>A setting of a published checkpoint that nothing states.</summary>
/// <param name="Setting">Its name, as in <see cref="PublishedSettings"/>' JSON or among the network's arguments.</param>
/// <param name="Value">What is assumed; null where it has to be given before the network can be used.</param>
/// <param name="Published">The published network with the same tensors, whose value it is; null for a guess.</param>
public sealed record Assumption(string Setting, string? Value, string? Published);
