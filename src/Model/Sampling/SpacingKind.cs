namespace NativeDiffusion.Model.Sampling;

/// <summary>How the noise levels are spaced.</summary>
public enum SpacingKind
{
    /// <summary>Evenly spaced timesteps, both ends included (the sections rule on a discrete schedule, Karras in EDM's sigma).</summary>
    Uniform,

    /// <summary>Equal sections of the timesteps (guided-diffusion's "N" rule).</summary>
    Section,

    /// <summary>guided-diffusion's "ddimN" rule: a fixed integer stride from timestep 0.</summary>
    DdimN,

    /// <summary>Uniform in the schedule's u, from noise to data (Ho and Salimans 2022).</summary>
    UniformU,

    /// <summary>Logistic in u: dense at both ends.</summary>
    Sigmoid,

    /// <summary>Karras et al. 2022, <see cref="SamplerSettings.Rho"/> 7 unless said, over the schedule's range of sigma.</summary>
    Karras,

    /// <summary>Evenly spaced log-SNR.</summary>
    LogSnrUniform,

    /// <summary>diffusers' "leading": multiples of T div N, plus <see cref="SamplerSettings.StepsOffset"/>.</summary>
    Leading,

    /// <summary>diffusers' "trailing": from the noisiest timestep by T / N; what zero terminal SNR needs.</summary>
    Trailing,

    /// <summary>diffusers' "linspace": evenly from 0 to T - 1, rounded.</summary>
    Linspace,

    /// <summary>k-diffusion's "polyexponential": log sigma by a power, <see cref="SamplerSettings.Rho"/>, of the steps left; 1, unless said, is <see cref="LogSnrUniform"/>.</summary>
    PolyExponential,

    /// <summary>k-diffusion's "vp": evenly in the time of the variance-preserving SDE, within the schedule's range of sigma.</summary>
    VariancePreserving,
}
