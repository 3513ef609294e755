namespace NativeDiffusion.Model.Schedules;

/// <summary>
/// What a sampler must know of the schedule that a network was trained with: how any noise level is told to the network.
/// </summary>
public interface INoiseSchedule
{
    /// <summary>The time that the network receives at a noise level: a fractional index, or a continuous time.</summary>
    /// <param name="logSnr"><c>log(alpha^2 / sigma^2)</c>; levels outside the trained range are clamped to it where it is bounded.</param>
    double TimestepAt(double logSnr);

    /// <summary>EDM noise levels that the network knows, the least and the greatest.</summary>
    (double Least, double Greatest) SigmaRange => (0, double.PositiveInfinity);

    /// <summary>The EDM noise level nearest to one, where the network knows only some.</summary>
    /// <param name="sigma">Above 0.</param>
    double RoundSigma(double sigma) => sigma;
}
