using System.Text.Json.Serialization.Metadata;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks;

/// <summary>A network that predicts from noisy images, their times and labels: what a <see cref="DiffusionModel"/> trains and samples.</summary>
public interface IDiffusionNetwork
{
    /// <summary>What it was made from.</summary>
    INetworkConfig Config { get; }

    /// <summary>Declares every parameter under its published name, in the published order.</summary>
    void Declare(Parameters parameters);

    /// <summary>Records the network.</summary>
    /// <param name="b">The plan; its parameters were declared by <see cref="Declare"/>.</param>
    /// <param name="x">Images (or latents) [N, S, S, InChannels].</param>
    /// <param name="timesteps">Times as the network was trained on, [N]; fractional values allowed.</param>
    /// <param name="labels">[N] as int32 bit patterns below NumClasses; null exactly when the network is unconditional.</param>
    /// <param name="dropout">Where dropout takes its random numbers from; may be null when there is none or the plan does not train.</param>
    /// <returns>The prediction [N, S, S, OutChannels].</returns>
    /// <exception cref="ArgumentException">A shape does not fit the configuration.</exception>
    Tensor Record(PlanBuilder b, Tensor x, Tensor timesteps, Tensor? labels, DropoutSource? dropout = null);
}

/// <summary>Constructor arguments of an <see cref="IDiffusionNetwork"/>; the record's JSON is what checkpoints carry.</summary>
public interface INetworkConfig
{
    /// <summary>Height and width of the images (or latents).</summary>
    int ImageSize { get; }

    /// <summary>Channels of the images.</summary>
    int InChannels { get; }

    /// <summary>Channels of the prediction: those of the images, or twice as many when the variance is learned.</summary>
    int OutChannels { get; }

    /// <summary>Labels that the network takes, the null class included where there is one; null for an unconditional network.</summary>
    int? NumClasses { get; }

    /// <summary>
    /// How the configuration of a network of your own is written as JSON by generated code, which a program needs that is published trimmed or natively compiled: the
    /// type information of a <see cref="System.Text.Json.Serialization.JsonSerializerContext"/>. Implement it explicitly, so that it is no part of the text.
    /// </summary>
    JsonTypeInfo? JsonType => null;

    /// <summary>The network of these arguments.</summary>
    /// <exception cref="ArgumentException">They are not possible together; the message says why.</exception>
    IDiffusionNetwork Create();
}

/// <summary>Where a recorded network takes its dropout masks from.</summary>
/// <param name="Seed">The run's seed.</param>
/// <param name="Step">Number of the training step.</param>
/// <param name="SampleIndex">Index of each sample in the batch, int32 bits, [N].</param>
public sealed record DropoutSource(Slot<ulong> Seed, Slot<uint> Step, Tensor SampleIndex);
