using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// CFG++ (Chung et al., arXiv 2406.08070): the clean sample is guided, and the noise that goes back in is that of the first branch, the null class. Requests carry
/// lambda in [0, 1] as their scale. With <c>x_u = XFromZ z + XFromG p1</c>, a step <c>A z + B x</c> becomes <c>A z + alpha' x - A alpha x_u</c>.
/// </summary>
public sealed class CfgPlusPlusRule : IRowRule
{
    /// <inheritdoc/>
    public string Name => "cfg++";

    /// <inheritdoc/>
    public SamplerRow Apply(SamplerRow row)
    {
        if (row.E != 0 || row.Q != 0 || row.StoreState || row.LearnedVariance)
            throw new ArgumentException("CFG++ fits first-order steps and DPM-Solver++(2M): ddim, euler, euler-a, dpm++2m; another sampler was given.");
        double renoised = row.A * row.Alpha;
        row = row with { A = row.A - renoised * row.XFromZ, B = row.B + renoised, F = -renoised * row.XFromG };
        return row.StoreHistory ? row with { HistoryFromZ = row.XFromZ, HistoryFromX = 0, HistoryFromP1 = row.XFromG } : row;
    }
}
