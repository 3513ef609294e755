namespace NativeDiffusion.Model.Guiders;

/// <summary>Where a sampler stands.</summary>
/// <param name="Step">Index of the step, 0 the noisiest.</param>
/// <param name="Steps">Number of steps.</param>
/// <param name="LogSnr">Log-SNR of the level at which the network is called.</param>
public readonly record struct GuidanceMoment(int Step, int Steps, double LogSnr)
{
    /// <summary>Share of the steps that are done, from 0 at the first to 1 at the last.</summary>
    public double Progress => Steps < 2 ? 0 : Step / (Steps - 1.0);
}

/// <summary>When a guider acts, and how strongly: an interval times a curve. Where the factor is 0, nothing is evaluated for it.</summary>
public sealed class GuidanceSchedule
{
    private readonly Func<GuidanceMoment, double>? _curve;

    private GuidanceSchedule(GuidanceInterval interval, Func<GuidanceMoment, double>? curve) => (Interval, _curve) = (interval, curve);

    /// <summary>Factor 1 at every step.</summary>
    public static GuidanceSchedule Always { get; } = new(GuidanceInterval.Everywhere, null);

    /// <summary>Where the factor is not 0.</summary>
    public GuidanceInterval Interval { get; }

    /// <summary>Factor 1 inside an interval.</summary>
    public static implicit operator GuidanceSchedule(GuidanceInterval interval) => new(interval, null);

    /// <summary>A factor that changes evenly from the first step to the last.</summary>
    /// <param name="first">At the noisiest step.</param>
    /// <param name="last">At the last step.</param>
    public static GuidanceSchedule Linear(double first, double last) => Of(m => first + (last - first) * m.Progress);

    /// <summary>Half a period of the cosine: <paramref name="last"/> + (<paramref name="first"/> - last) (1 + cos(pi progress)) / 2.</summary>
    /// <param name="first">At the noisiest step.</param>
    /// <param name="last">At the last step.</param>
    public static GuidanceSchedule Cosine(double first, double last) => Of(m => last + (first - last) * (1 + Math.Cos(Math.PI * m.Progress)) / 2);

    /// <summary>
    /// EluCD's schedule in its EDM form: at step i of N, with N + 1 levels, <c>max((N + 1 - i) / (N + 1), floor) + gamma sin(pi i / N)</c>: a linear decay to which a
    /// sine adds where the picture forms.
    /// </summary>
    /// <param name="gamma">Height of the sine, at least 0.</param>
    /// <param name="floor">Least value of the decay.</param>
    public static GuidanceSchedule DecayAndSine(double gamma, double floor = 0) =>
        Of(m => Math.Max((m.Steps + 1.0 - m.Step) / (m.Steps + 1), floor) + gamma * Math.Sin(Math.PI * m.Step / m.Steps));

    /// <summary>A factor of one's own.</summary>
    /// <param name="curve">The factor at a moment; it must be finite.</param>
    public static GuidanceSchedule Of(Func<GuidanceMoment, double> curve)
    {
        ArgumentNullException.ThrowIfNull(curve);
        return new(GuidanceInterval.Everywhere, curve);
    }

    /// <summary>The same curve inside an interval only.</summary>
    /// <param name="interval">Where the factor is not 0.</param>
    public GuidanceSchedule Inside(GuidanceInterval interval) => new(interval, _curve);

    /// <summary>The factor at a moment.</summary>
    /// <exception cref="InvalidOperationException">The curve gave a value that is not finite.</exception>
    public double At(GuidanceMoment moment)
    {
        if (!Interval.Contains(moment)) return 0;
        if (_curve is null) return 1;
        double factor = _curve(moment);
        return double.IsFinite(factor)
            ? factor
            : throw new InvalidOperationException($"A guidance schedule gave {factor} at step {moment.Step} of {moment.Steps}; it must be finite.");
    }
}
