using NativeDiffusion.Model.Schedules;

namespace NativeDiffusion.Model.Sampling;

/// <summary>Forms of <see cref="Samplers.UniPC"/>; the defaults are diffusers'.</summary>
public sealed record UniPCOptions
{
    /// <summary>Order of predictor and corrector, 1 to 3.</summary>
    public int Order { get; init; } = 2;

    /// <summary>Whether B is <c>exp(hh) - 1</c> (bh2), else hh (bh1).</summary>
    public bool Exponential { get; init; } = true;

    /// <summary>Integrate the predicted noise in place of the clean sample.</summary>
    public bool IntegratesNoise { get; init; }

    /// <summary>Whether the last steps have lower orders (diffusers' <c>lower_order_final</c>).</summary>
    public bool LowersLastOrders { get; init; } = true;

    /// <summary>The first step, at least 1, whose arrival is corrected. Later ones are steadier under strong guidance.</summary>
    public int FirstCorrected { get; init; } = 1;

    /// <summary>The level that the last step goes to; null for the clean sample.</summary>
    public NoiseLevel? Final { get; init; }
}
