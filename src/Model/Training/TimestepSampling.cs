namespace NativeDiffusion.Model.Training;

/// <summary>How often training shows each timestep.</summary>
public enum TimestepSampling
{
    /// <summary>All alike; EDM's sigmas by their own distribution.</summary>
    Uniform,

    /// <summary>By the size of their losses, with weights that keep the expected gradient (<see cref="LossSecondMomentSampler"/>).</summary>
    LossSecondMoment,
}
