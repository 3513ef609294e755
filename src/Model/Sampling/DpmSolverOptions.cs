using NativeDiffusion.Model.Schedules;

namespace NativeDiffusion.Model.Sampling;

/// <summary>Which member of the DPM-Solver family <see cref="Samplers.DpmSolver"/> makes; the default is DPM-Solver++(2M).</summary>
public sealed record DpmSolverOptions
{
    /// <summary>Order, 1 to 3: a step reads so many predictions less one from the steps before.</summary>
    public int Order { get; init; } = 2;

    /// <summary>Whether second-order steps take the midpoint form (half of the first coefficient), else the exact integral ("heun").</summary>
    public bool Midpoint { get; init; } = true;

    /// <summary>Share of fresh noise, at least 0: 0 is deterministic, 1 is the SDE of k-diffusion and diffusers.</summary>
    public double Eta { get; init; }

    /// <summary>Integrate the predicted noise (DPM-Solver) in place of the clean sample (DPM-Solver++); deterministic only.</summary>
    public bool IntegratesNoise { get; init; }

    /// <summary>Whether the last steps of fewer than 15 have first and second order (diffusers' <c>lower_order_final</c>).</summary>
    public bool LowersLastOrders { get; init; }

    /// <summary>Whether the last step has first order (diffusers' <c>euler_at_final</c>).</summary>
    public bool EndsInFirstOrder { get; init; }

    /// <summary>The level that the last step goes to; null for the clean sample.</summary>
    public NoiseLevel? Final { get; init; }
}
