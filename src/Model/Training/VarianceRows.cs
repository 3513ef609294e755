using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Schedules;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Training;

/// <summary>
/// What <see cref="PlanBuilder.VariationalBound"/> has to know of each row's timestep: the hybrid loss of Nichol and Dhariwal (arXiv 2102.09672)
/// is the simple one plus this term, which the predicted variance alone is trained by.
/// </summary>
internal sealed class VarianceRows(DiffusionSettings settings, int batch)
{
    private const int RowLength = 6;

    private readonly DiscreteSchedule _schedule = settings.Discrete();
    private readonly float[] _values = new float[batch * RowLength];

    public Shape Shape { get; } = new(batch, RowLength);

    public ReadOnlySpan<float> Values => _values;

    public void Set(int row, NoiseLevel level)
    {
        int t = (int)level.Timestep;
        var clean = settings.Parameterization.InVpScale(level);
        double[] values = [clean.XFromZ, clean.XFromG, _schedule.CoefX0[t], _schedule.PosteriorLogVariance[t], Math.Log(_schedule.Betas[t]), t == 0 ? 1 : 0];
        for (int i = 0; i < RowLength; i++) _values[row * RowLength + i] = (float)values[i];
    }
}
