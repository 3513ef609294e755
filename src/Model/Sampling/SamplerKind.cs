namespace NativeDiffusion.Model.Sampling;

/// <summary>The samplers of <see cref="Samplers"/>.</summary>
public enum SamplerKind
{
    /// <summary>DPM-Solver++(2M), second order, deterministic: good at 10 to 30 steps.</summary>
    DpmSolver2M,

    /// <summary>DDIM; deterministic at eta 0.</summary>
    Ddim,

    /// <summary>Ancestral DDPM on a discrete schedule.</summary>
    Ancestral,

    /// <summary>Algorithm 2 of classifier-free guidance, with variance interpolation v.</summary>
    Algorithm2,

    /// <summary>Euler steps in EDM sigma-space.</summary>
    Euler,

    /// <summary>Euler steps with fresh noise.</summary>
    EulerAncestral,

    /// <summary>Heun's second-order steps in EDM sigma-space: two network evaluations a step.</summary>
    Heun,

    /// <summary>UniPC of second order, deterministic: a predictor and a corrector at one network evaluation a step; good at 5 to 20 steps.</summary>
    UniPC,

    /// <summary>DPM-Solver++(2M) SDE: second order with fresh noise.</summary>
    DpmSolver2MSde,

    /// <summary>DPM-Solver++(3M) SDE: third order with fresh noise; from about 20 steps on.</summary>
    DpmSolver3MSde,

    /// <summary>DPM-Solver++ SDE: fresh noise, two network evaluations a step.</summary>
    DpmSolverSde,

    /// <summary>DPM-Solver++(2S) with fresh noise: two network evaluations a step, none of the steps before.</summary>
    DpmSolver2SAncestral,

    /// <summary>DPM-Solver-2 in EDM sigma-space: two network evaluations a step.</summary>
    Dpm2,

    /// <summary>DPM-Solver-2 with fresh noise.</summary>
    Dpm2Ancestral,

    /// <summary>Linear multistep of fourth order in EDM sigma-space, deterministic.</summary>
    Lms,
}
