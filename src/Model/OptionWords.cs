using System.Text.Json;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Model;

/// <summary>The words that the tool's options have for the library's choices. Errors say these, so that what they ask for can be typed.</summary>
internal static class OptionWords
{
    public static readonly (string Name, SamplerKind Value)[] Samplers =
    [
        ("dpm++2m", SamplerKind.DpmSolver2M), ("ddim", SamplerKind.Ddim), ("ddpm", SamplerKind.Ancestral), ("alg2", SamplerKind.Algorithm2),
        ("euler", SamplerKind.Euler), ("euler-a", SamplerKind.EulerAncestral), ("heun", SamplerKind.Heun), ("unipc", SamplerKind.UniPC),
        ("dpm++2m-sde", SamplerKind.DpmSolver2MSde), ("dpm++3m-sde", SamplerKind.DpmSolver3MSde), ("dpm++sde", SamplerKind.DpmSolverSde),
        ("dpm++2s-a", SamplerKind.DpmSolver2SAncestral), ("dpm2", SamplerKind.Dpm2), ("dpm2-a", SamplerKind.Dpm2Ancestral), ("lms", SamplerKind.Lms),
    ];

    public static readonly (string Name, SpacingKind Value)[] Spacings =
    [
        ("uniform", SpacingKind.Uniform), ("section", SpacingKind.Section), ("ddim-n", SpacingKind.DdimN), ("uniform-u", SpacingKind.UniformU),
        ("sigmoid", SpacingKind.Sigmoid), ("karras", SpacingKind.Karras), ("log-snr", SpacingKind.LogSnrUniform), ("polyexponential", SpacingKind.PolyExponential), ("vp", SpacingKind.VariancePreserving),
        ("leading", SpacingKind.Leading), ("trailing", SpacingKind.Trailing), ("linspace", SpacingKind.Linspace),
    ];

    public static readonly (string Name, AncestralVariance Value)[] Variances =
    [
        ("small", AncestralVariance.FixedSmall), ("large", AncestralVariance.FixedLarge), ("learned", AncestralVariance.Learned),
        ("learned-range", AncestralVariance.LearnedRange),
    ];

    /// <summary>The word for a value of any of the choices: where no table says otherwise, the library's name in lower case.</summary>
    public static string Of<T>(T value)
        where T : struct, Enum => value switch
        {
            SamplerKind kind => Find(Samplers, kind),
            SpacingKind spacing => Find(Spacings, spacing),
            AncestralVariance variance => Find(Variances, variance),
            _ => JsonNamingPolicy.KebabCaseLower.ConvertName(value.ToString()),
        };

    private static string Find<T>((string Name, T Value)[] words, T value)
        where T : struct, Enum => Array.Find(words, w => w.Value.Equals(value)).Name ?? value.ToString();
}
