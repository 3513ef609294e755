using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Classifiers;

/// <summary>
/// A classifier with its weights, as a guide: anything that records logits from images. Images arrive in [-1, 1] and in the denoiser's size; what a network wants
/// otherwise (normalisation, another size), it records itself.
/// </summary>
public interface IClassifierNetwork
{
    /// <summary>Number of logits.</summary>
    int Classes { get; }

    /// <summary>Channels of the images.</summary>
    int Channels { get; }

    /// <summary>Height and width of the images; null for any.</summary>
    int? ImageSize { get; }

    /// <summary>Whether it was trained on noisy images and is told their time.</summary>
    bool TakesNoise { get; }

    /// <summary>The weights, on the device of the denoiser.</summary>
    Parameters Parameters { get; }

    /// <summary>Records the network; <see cref="PlanBuilder.Parameters"/> are its own.</summary>
    /// <param name="b">The plan.</param>
    /// <param name="images">[N, H, W, Channels].</param>
    /// <param name="timesteps">What the denoiser is told, [N]; to be left alone by a classifier of clean images.</param>
    /// <returns>Logits [N, Classes].</returns>
    Tensor RecordLogits(PlanBuilder b, Tensor images, Tensor timesteps);
}
