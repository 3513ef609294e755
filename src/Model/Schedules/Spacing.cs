using System.Globalization;

namespace NativeDiffusion.Model.Schedules;

/// <summary>
/// Which noise levels a sampler visits. The integer rules give timesteps of a discrete schedule in increasing order, for
/// <see cref="DiscreteSchedule.Respace"/>; the others give u, EDM noise or log-SNR with the noisiest first and without a final 0.
/// </summary>
public static class Spacing
{
    /// <summary>
    /// Evenly within equal sections of the schedule (guided-diffusion): one count per section, the first <c>T mod sections</c> sections one
    /// timestep longer; within a section a fractional stride, each position rounded half to even.
    /// </summary>
    /// <param name="timesteps">T.</param>
    /// <param name="counts">"N", or "a,b,c" with the number of timesteps to keep in each section.</param>
    /// <exception cref="ArgumentException">The text is not a list of positive integers, or a section is shorter than its count.</exception>
    public static int[] Section(int timesteps, string counts)
    {
        ArgumentNullException.ThrowIfNull(counts);
        string[] parts = counts.Split(',');
        if (parts.Length > timesteps)
            throw new ArgumentException($"\"{counts}\" asks for {parts.Length} sections of {timesteps} timesteps.", nameof(counts));
        var kept = new List<int>();
        int start = 0;
        for (int section = 0; section < parts.Length; section++)
        {
            if (!int.TryParse(parts[section].Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out int count) || count < 1)
                throw new ArgumentException($"\"{counts}\" is not a step count like \"50\" or a list like \"10,20,30\".", nameof(counts));
            int size = timesteps / parts.Length + (section < timesteps % parts.Length ? 1 : 0);
            if (size < count)
                throw new ArgumentException($"Cannot keep {count} timesteps in a section of {size} (\"{counts}\" of {timesteps}).", nameof(counts));
            // Repeated addition, not multiplication: it decides which way the halves round in the published tables.
            double stride = count > 1 ? (double)(size - 1) / (count - 1) : 1, position = 0;
            for (int i = 0; i < count; i++, position += stride) kept.Add(start + (int)Math.Round(position, MidpointRounding.ToEven));
            start += size;
        }

        return [.. kept];
    }

    /// <summary>"ddimN" of guided-diffusion: the smallest integer stride that gives exactly N timesteps from 0.</summary>
    /// <param name="timesteps">T.</param>
    /// <param name="steps">N.</param>
    /// <exception cref="ArgumentException">No integer stride gives N timesteps.</exception>
    public static int[] DdimN(int timesteps, int steps)
    {
        RequireSteps(timesteps, steps, 1);
        for (int stride = 1; stride <= timesteps; stride++)
        {
            int step = stride;
            if ((timesteps + stride - 1) / stride == steps) return [.. Enumerable.Range(0, steps).Select(i => i * step)];
        }

        throw new ArgumentException($"No integer stride through {timesteps} timesteps gives exactly {steps}; use the section spacing.", nameof(steps));
    }

    /// <summary>"Leading" of diffusers: <c>i (T div N) + offset</c>.</summary>
    /// <param name="timesteps">T.</param>
    /// <param name="steps">N.</param>
    /// <param name="offset">Added to each; the last must stay below T.</param>
    /// <exception cref="ArgumentException">N or the offset does not fit.</exception>
    public static int[] Leading(int timesteps, int steps, int offset = 0)
    {
        RequireSteps(timesteps, steps, 1);
        int stride = timesteps / steps;
        if (offset < 0 || (steps - 1) * stride + offset >= timesteps)
            throw new ArgumentException($"Offset {offset} moves {steps} leading timesteps outside 0..{timesteps - 1}.", nameof(offset));
        return [.. Enumerable.Range(0, steps).Select(i => i * stride + offset)];
    }

    /// <summary>"Trailing" of diffusers: <c>round(T - i T / N) - 1</c>, halves to even; always includes the noisiest timestep.</summary>
    /// <param name="timesteps">T.</param>
    /// <param name="steps">N.</param>
    /// <exception cref="ArgumentException">N does not fit.</exception>
    public static int[] Trailing(int timesteps, int steps)
    {
        RequireSteps(timesteps, steps, 1);
        double stride = (double)timesteps / steps;
        return [.. Enumerable.Range(0, steps).Reverse().Select(i => (int)Math.Round(timesteps - i * stride, MidpointRounding.ToEven) - 1)];
    }

    /// <summary>"Linspace" of diffusers: N points from 0 to T - 1, rounded half to even.</summary>
    /// <param name="timesteps">T.</param>
    /// <param name="steps">N, at least 2.</param>
    /// <exception cref="ArgumentException">N does not fit.</exception>
    public static int[] Linspace(int timesteps, int steps)
    {
        RequireSteps(timesteps, steps, 2);
        return [.. Between(0, timesteps - 1, steps).Select(p => (int)Math.Round(p, MidpointRounding.ToEven))];
    }

    /// <summary>
    /// Quadratic: <c>floor((i / (N-1) sqrt(0.8 T))^2) + offset</c>. With many steps the first ones coincide; a repeated timestep would be an
    /// idle step, so it is dropped, and fewer than N come back.
    /// </summary>
    /// <param name="timesteps">T.</param>
    /// <param name="steps">N, at least 2.</param>
    /// <param name="offset">0, or 1 as latent diffusion adds.</param>
    /// <exception cref="ArgumentException">N or the offset does not fit.</exception>
    public static int[] Quadratic(int timesteps, int steps, int offset = 0)
    {
        RequireSteps(timesteps, steps, 2);
        int[] kept = [.. Between(0, Math.Sqrt(timesteps * 0.8), steps).Select(p => (int)(p * p) + offset).Distinct()];
        if (kept[0] < 0 || kept[^1] >= timesteps)
            throw new ArgumentException($"Offset {offset} moves quadratic timesteps outside 0..{timesteps - 1}.", nameof(offset));
        return kept;
    }

    /// <summary>Uniform in u (Ho and Salimans 2022): <c>u_i = 1 - i / (N-1)</c>, from noise (1) to data (0); a single one is noise.</summary>
    /// <param name="steps">N, at least 1.</param>
    /// <exception cref="ArgumentException">N is too small.</exception>
    public static double[] UniformU(int steps)
    {
        RequireSteps(int.MaxValue, steps, 1);
        return steps == 1 ? [1] : [.. Enumerable.Range(0, steps).Select(i => (double)(steps - 1 - i) / (steps - 1))];
    }

    /// <summary>
    /// Logistic in u, dense at both ends: <c>u_i = 1 - (q_i - q_0) / (q_N-1 - q_0)</c>, <c>q_i = logistic(10 (i / (N-1) - 1/2))</c>.
    /// </summary>
    /// <param name="steps">N, at least 1; a single one is noise.</param>
    /// <param name="rawTutorialRange">Return <c>1 - q_i</c> as the tutorial published it, which runs from 0.9933 to 0.0067 only.</param>
    /// <exception cref="ArgumentException">N is too small.</exception>
    public static double[] Sigmoid(int steps = 50, bool rawTutorialRange = false)
    {
        RequireSteps(int.MaxValue, steps, 1);
        if (steps == 1 && !rawTutorialRange) return [1];
        double[] q = [.. Between(0, 1, steps).Select(p => 1 / (1 + Math.Exp(-10 * (p - 0.5))))];
        return rawTutorialRange ? [.. q.Select(v => 1 - v)] : [.. q.Select(v => 1 - (v - q[0]) / (q[^1] - q[0]))];
    }

    /// <summary>
    /// EDM noise levels (Karras et al. 2022, equation 5): <c>(sMax^(1/rho) + i/(N-1) (sMin^(1/rho) - sMax^(1/rho)))^rho</c>; the final 0 is left out.
    /// </summary>
    /// <param name="steps">N, at least 1; a single one is the noisiest.</param>
    /// <param name="sigmaMin">Smallest level, above 0.</param>
    /// <param name="sigmaMax">Largest level.</param>
    /// <param name="rho">Exponent, above 0; larger puts more levels at the clean end.</param>
    /// <exception cref="ArgumentException">The arguments are out of range or order.</exception>
    public static double[] Karras(int steps, double sigmaMin = 0.002, double sigmaMax = 80, double rho = 7)
    {
        RequireSigmas(steps, sigmaMin, sigmaMax);
        RequireRho(rho);
        double first = Math.Pow(sigmaMax, 1 / rho), last = Math.Pow(sigmaMin, 1 / rho);
        if (steps == 1) return [sigmaMax];
        return [.. Enumerable.Range(0, steps).Select(i => Math.Pow(first + (double)i / (steps - 1) * (last - first), rho))];
    }

    /// <summary>EDM noise levels equally spaced in <c>ln s</c>; the final 0 is left out.</summary>
    /// <param name="steps">N, at least 1; a single one is the noisiest.</param>
    /// <param name="sigmaMin">Smallest level, above 0.</param>
    /// <param name="sigmaMax">Largest level.</param>
    /// <exception cref="ArgumentException">The arguments are out of range or order.</exception>
    public static double[] Exponential(int steps, double sigmaMin, double sigmaMax)
    {
        RequireSigmas(steps, sigmaMin, sigmaMax);
        return [.. Between(Math.Log(sigmaMax), Math.Log(sigmaMin), steps).Select(Math.Exp)];
    }

    /// <summary>
    /// EDM noise levels whose <c>ln s</c> falls by a power of the steps left (k-diffusion): <c>ln s_j = ln sMin + (1 - j/(N-1))^rho ln(sMax/sMin)</c>; the final 0
    /// is left out.
    /// </summary>
    /// <param name="steps">N, at least 1; a single one is the noisiest.</param>
    /// <param name="sigmaMin">Smallest level, above 0.</param>
    /// <param name="sigmaMax">Largest level.</param>
    /// <param name="rho">Exponent, above 0; larger puts more levels at the clean end, 1 is <see cref="Exponential"/>.</param>
    /// <exception cref="ArgumentException">The arguments are out of range or order.</exception>
    public static double[] PolyExponential(int steps, double sigmaMin, double sigmaMax, double rho = 1)
    {
        RequireSigmas(steps, sigmaMin, sigmaMax);
        RequireRho(rho);
        if (rho == 1) return Exponential(steps, sigmaMin, sigmaMax);
        return [.. Between(1, 0, steps).Select((left, j) => j > 0 && j == steps - 1 ? sigmaMin : sigmaMin * Math.Exp(Math.Pow(left, rho) * Math.Log(sigmaMax / sigmaMin)))];
    }

    /// <summary>
    /// EDM noise levels at even times of the variance-preserving SDE (k-diffusion): <c>s = sqrt(exp(betaD t^2 / 2 + betaMin t) - 1)</c>, t from
    /// <paramref name="tMax"/> to <paramref name="tMin"/>; the final 0 is left out.
    /// </summary>
    /// <param name="steps">N, at least 1; a single one is the noisiest.</param>
    /// <param name="betaD">Rise of the noise rate, at least 0.</param>
    /// <param name="betaMin">Noise rate at time 0, above 0.</param>
    /// <param name="tMin">Least time, above 0.</param>
    /// <param name="tMax">Greatest time.</param>
    /// <exception cref="ArgumentException">The arguments are out of range or order.</exception>
    public static double[] VariancePreserving(int steps, double betaD = 19.9, double betaMin = 0.1, double tMin = 1e-3, double tMax = 1)
    {
        RequireSteps(int.MaxValue, steps, 1);
        if (!(betaD >= 0 && betaMin > 0 && tMin > 0 && tMin < tMax) || !double.IsFinite(betaD + betaMin + tMax))
            throw new ArgumentException($"Needs betaD at least 0, betaMin above 0 and 0 < tMin < tMax, all finite; got {betaD}, {betaMin}, {tMin} and {tMax}.");
        var schedule = new VpSdeSchedule(betaMin, betaMin + betaD);
        return [.. Between(tMax, tMin, steps).Select(schedule.SigmaEdm)];
    }

    /// <summary>Equally spaced log-SNR, the default of DPM-Solver.</summary>
    /// <param name="steps">N, at least 1; a single one is the noisiest.</param>
    /// <param name="logSnrMin">The noisiest level.</param>
    /// <param name="logSnrMax">The cleanest level.</param>
    /// <exception cref="ArgumentException">The arguments are out of range or order.</exception>
    public static double[] LogSnrUniform(int steps, double logSnrMin, double logSnrMax)
    {
        RequireSteps(int.MaxValue, steps, 1);
        if (!(logSnrMin < logSnrMax))
            throw new ArgumentException($"Needs logSnrMin < logSnrMax; got {logSnrMin} and {logSnrMax}.", nameof(logSnrMax));
        return Between(logSnrMin, logSnrMax, steps);
    }

    /// <summary>
    /// Timesteps moved by as little as makes them all different, in increasing order: where a rule is denser than the timesteps are, its positions
    /// coincide, and a repeated one would be an idle step.
    /// </summary>
    /// <param name="timesteps">T, at least as many as there are positions.</param>
    /// <param name="positions">In increasing order, within 0 to T - 1.</param>
    internal static int[] Distinct(int timesteps, IEnumerable<int> positions)
    {
        int[] kept = [.. positions];
        for (int i = 1; i < kept.Length; i++) kept[i] = Math.Max(kept[i], kept[i - 1] + 1);
        for (int i = kept.Length - 1, most = timesteps - 1; i >= 0; i--, most = kept[i + 1] - 1) kept[i] = Math.Min(kept[i], most);
        return kept;
    }

    private static double[] Between(double first, double last, int count)
    {
        double step = count > 1 ? (last - first) / (count - 1) : 0;
        double[] points = new double[count];
        for (int i = 0; i < count; i++) points[i] = i > 0 && i == count - 1 ? last : first + i * step;
        return points;
    }

    private static void RequireSteps(int timesteps, int steps, int least)
    {
        if (steps >= least && steps <= timesteps) return;
        string most = timesteps == int.MaxValue ? " or more" : $" to {timesteps}";
        throw new ArgumentException($"This spacing takes {least}{most} steps; got {steps}.", nameof(steps));
    }

    private static void RequireRho(double rho)
    {
        if (!(rho > 0) || double.IsInfinity(rho)) throw new ArgumentException($"rho is above 0 and finite; got {rho}.", nameof(rho));
    }

    private static void RequireSigmas(int steps, double sigmaMin, double sigmaMax)
    {
        RequireSteps(int.MaxValue, steps, 1);
        if (!(sigmaMin > 0 && sigmaMin < sigmaMax) || double.IsInfinity(sigmaMax))
            throw new ArgumentException($"Needs 0 < sigmaMin < sigmaMax; got {sigmaMin} and {sigmaMax}.", nameof(sigmaMin));
    }
}
