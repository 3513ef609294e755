using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Schedules;

namespace NativeDiffusion.Model.Training;

/// <summary>Which noise levels a training shows a network.</summary>
internal static class TrainingLevels
{
    /// <summary>The noise level of a row and a step, from the seed: uniform over timesteps or continuous time, or as EDM's networks were trained.</summary>
    public static Func<uint, uint, NoiseLevel> Of(DiffusionSettings settings, ulong seed)
    {
        double Uniform(uint row, uint step) => Philox.Uniform(seed, row, step, RandomStream.Timestep, 0);
        Func<uint, uint, NoiseLevel> OfSigma(Func<uint, uint, double> sigma)
        {
            var schedule = settings.NoiseSchedule();
            return (row, step) => NoiseLevel.FromSigmaEdm(schedule, sigma(row, step));
        }

        switch (settings.NoiseSchedule())
        {
            case ContinuousSchedule continuous:
                return (row, step) => continuous.Level(Uniform(row, step));
            case EdmPreconditioning:
                return OfSigma((row, step) => EdmPreconditioning.TrainingSigma(Philox.Normal(seed, row, step, RandomStream.Timestep, 0)));
            case VpSdeSchedule vp:
                return OfSigma((row, step) => vp.SigmaEdm(1 + Uniform(row, step) * (vp.LeastU - 1)));
            case VeSdeSchedule ve:
                return OfSigma((row, step) => ve.SigmaRange.Least * Math.Pow(ve.SigmaRange.Greatest / ve.SigmaRange.Least, Uniform(row, step)));
            case IddpmSchedule iddpm:
                return OfSigma((row, step) => iddpm.Sigmas[(int)(Uniform(row, step) * (iddpm.Sigmas.Count - 1))]);
            default:
                var levels = Timesteps(settings);
                // Which way round a uniform draw picks them does not matter.
                return (row, step) => levels[Math.Min((int)(Uniform(row, step) * levels.Length), levels.Length - 1)];
        }
    }

    /// <summary>The levels of all discrete timesteps, noisiest first.</summary>
    public static NoiseLevel[] Timesteps(DiffusionSettings settings) => settings.Discrete().Respace([.. Enumerable.Range(0, settings.Timesteps)]).Levels();
}
