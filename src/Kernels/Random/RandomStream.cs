namespace NativeDiffusion.Kernels;

/// <summary>What random numbers are for. Streams never share numbers, whatever the seed, sample and step. At most 256 streams.</summary>
public enum RandomStream : uint
{
    /// <summary>The state that a sampler starts from.</summary>
    InitialNoise,

    /// <summary>The noise of one step: added by a sampler, or mixed into a training image.</summary>
    StepNoise,

    /// <summary>Dropout masks.</summary>
    Dropout,

    /// <summary>Replacement of the condition by the null condition in training.</summary>
    LabelDrop,

    /// <summary>Timesteps or log-SNRs of training.</summary>
    Timestep,

    /// <summary>Initial weights.</summary>
    Weights,

    /// <summary>Augmentation of training images.</summary>
    Augment,

    /// <summary>Order of the training images.</summary>
    Order,

    /// <summary>The class of a sample that was asked for without one.</summary>
    Label,

    /// <summary>Latents that an autoencoder draws for an image.</summary>
    Posterior,

    /// <summary>Groups and subsets of samples that an evaluation leaves out, or compares.</summary>
    Evaluation,
}
