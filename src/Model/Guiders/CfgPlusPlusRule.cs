using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// CFG++ (Chung et al., arXiv 2406.08070): the clean sample is guided, and the noise that goes back in is that of the first branch, the null class. Requests carry
/// lambda in [0, 1] as their scale. With <c>x_u = XFromZ z + XFromG p1</c>, a step <c>A z + B x</c> becomes <c>A z + B x + A alpha (x - x_u)</c>; DPM-Solver++(2M) remembers
/// x_u; DPM-Solver++(2S) goes to its middle by x_u, and from there on as if by it: <c>x - exp(-h) x_u</c>.
/// </summary>
public sealed class CfgPlusPlusRule : IRowRule
{
    /// <inheritdoc/>
    public string Name => "cfg++";

    /// <inheritdoc/>
    public SamplerRow Apply(SamplerRow row)
    {
        bool isStage = row.StoreState && !row.StoreHistory && row.C == 0, isEnd = row.Q != 0 && row.A == 0 && row.P == 0;
        bool fits = row.E == 0 && !row.LearnedVariance && row.P2 == 0 && row.ShiftHistories == 0
            && (!row.StoreHistory || (row.C == 0 && row.HistoryFromZ == 0)) && (isStage || !row.StoreState) && (isEnd || row.Q == 0);
        if (!fits)
            throw new ArgumentException("CFG++ fits first-order steps, DPM-Solver++(2M) and (2S): ddim, euler, euler-a, dpm++2m, dpm++2s-a; another sampler was given.");
        if (isStage) return row with { A = row.A + row.B * row.XFromZ, B = 0, F = row.B * row.XFromG };
        if (isEnd) return row with { A = (row.B - 1) * row.XFromZ, B = 1, F = (row.B - 1) * row.XFromG };
        double renoised = row.A * row.Alpha;
        row = row with { A = row.A - renoised * row.XFromZ, B = row.B + renoised, F = -renoised * row.XFromG };
        return row.StoreHistory ? row with { HistoryFromZ = row.XFromZ, HistoryFromX = 0, HistoryFromP1 = row.XFromG } : row;
    }
}
