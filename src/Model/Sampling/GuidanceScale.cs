namespace NativeDiffusion.Model.Sampling;

/// <summary>
/// Guidance in the paper's convention (Ho and Salimans 2022): <c>(1 + w) conditional - w null</c>; 0 is the plain conditional model,
/// -1 the unconditional one. Convert explicitly to <see cref="GuidanceScale"/>.
/// </summary>
/// <param name="W">The strength w.</param>
public readonly record struct GuidanceStrength(double W)
{
    /// <summary><c>s = 1 + w</c>.</summary>
    /// <param name="strength">The strength.</param>
    public static explicit operator GuidanceScale(GuidanceStrength strength) => new(1 + strength.W);
}

/// <summary>
/// Guidance in the convention of most code (DiT, diffusers, EDM): <c>null + s (conditional - null)</c>; 1 is the plain conditional model,
/// 0 the unconditional one. Convert explicitly to <see cref="GuidanceStrength"/>.
/// </summary>
/// <param name="S">The scale s.</param>
public readonly record struct GuidanceScale(double S)
{
    /// <summary><c>w = s - 1</c>.</summary>
    /// <param name="scale">The scale.</param>
    public static explicit operator GuidanceStrength(GuidanceScale scale) => new(scale.S - 1);
}
