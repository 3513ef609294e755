using NativeDiffusion.Model.Schedules;

namespace NativeDiffusion.Model.Sampling;

/// <content>
/// The DPM-Solver family of multistep solvers (Lu et al., arXiv 2206.00927 and 2211.01095), in VP scale. <c>l = log(alpha / sigma)</c> is half the
/// log-SNR, <c>h = l' - l</c>.
/// </content>
public static partial class Samplers
{
    // Below so many steps diffusers lowers the last orders.
    private const int FewSteps = 15;

    /// <summary>
    /// DPM-Solver++(2M) (Lu et al. 2022): with <c>h = (logSnr' - logSnr) / 2</c> and <c>q = h / (2 hPrevious)</c>,
    /// <c>z' = (sigma'/sigma) z + alpha' (1 - exp(-h)) ((1 + q) x - q xPrevious)</c>. The first step is of first order; the last returns x.
    /// </summary>
    /// <param name="levels">Noise levels, noisiest first.</param>
    /// <param name="network">What the network predicts.</param>
    /// <param name="clip">Clamp the clean sample to [-1, 1].</param>
    /// <exception cref="ArgumentException">There are no levels, they do not become less noisy, or one cannot be used with this network.</exception>
    public static SamplerTable DpmSolver2M(IReadOnlyList<NoiseLevel> levels, Parameterization network, bool clip = true) =>
        DpmSolver(levels, network, new DpmSolverOptions(), clip);

    /// <summary>
    /// DPM-Solver++(2M) SDE as k-diffusion has it: with <c>H = h (1 + eta)</c> and <c>r = hPrevious / h</c>,
    /// <c>z' = (sigma'/sigma) exp(-eta h) z + alpha' ((1 - exp(-H)) x + (1 - exp(-H)) (x - xPrevious) / (2 r)) + sigma' sqrt(1 - exp(-2 eta h)) n</c>.
    /// </summary>
    /// <param name="levels">Noise levels, noisiest first.</param>
    /// <param name="network">What the network predicts.</param>
    /// <param name="eta">Share of fresh noise, at least 0.</param>
    /// <param name="clip">Clamp the clean sample to [-1, 1].</param>
    /// <exception cref="ArgumentException">There are no levels, they do not become less noisy, or one cannot be used with this network.</exception>
    public static SamplerTable DpmSolver2MSde(IReadOnlyList<NoiseLevel> levels, Parameterization network, double eta = 1, bool clip = true) =>
        DpmSolver(levels, network, new DpmSolverOptions { Eta = eta }, clip);

    /// <summary>DPM-Solver++(3M) SDE as k-diffusion has it: third order from the third step on, the second step in the exact form.</summary>
    /// <param name="levels">Noise levels, noisiest first.</param>
    /// <param name="network">What the network predicts.</param>
    /// <param name="eta">Share of fresh noise, at least 0.</param>
    /// <param name="clip">Clamp the clean sample to [-1, 1].</param>
    /// <exception cref="ArgumentException">There are no levels, they do not become less noisy, or one cannot be used with this network.</exception>
    public static SamplerTable DpmSolver3MSde(IReadOnlyList<NoiseLevel> levels, Parameterization network, double eta = 1, bool clip = true) =>
        DpmSolver(levels, network, new DpmSolverOptions { Order = 3, Midpoint = false, Eta = eta }, clip);

    /// <summary>
    /// Any member of the family. With <c>m</c> the clean samples, newest first, <c>r0 = hPrevious / h</c>, <c>r1</c> one step earlier, <c>a = (m0 - m1) / r0</c>,
    /// <c>b = (m1 - m2) / r1</c>, <c>D1 = a</c> (second order) or <c>a + (a - b) r0 / (r0 + r1)</c>, <c>D2 = (a - b) / (r0 + r1)</c> and <c>H = h (1 + eta)</c>:
    /// <code>
    /// z' = (sigma'/sigma) exp(-eta h) z + alpha' (c1 m0 + c2 D1 - c3 D2) + sigma' sqrt(1 - exp(-2 eta h)) n
    /// c1 = 1 - exp(-H),  c2 = c1 / 2 or (exp(-H) - 1) / H + 1,  c3 = (exp(-H) - 1 + H) / H^2 - 1/2
    /// </code>
    /// DPM-Solver has the predicted noise for m, and <c>z' = (alpha'/alpha) z - sigma' (E1 m0 + E2 D1 + E3 D2)</c>, <c>E1 = exp(h) - 1</c>,
    /// <c>E2 = E1 / 2 or E1 / h - 1</c>, <c>E3 = (E1 - h) / h^2 - 1/2</c>. diffusers' third-order SDE form has c3 with the wrong sign of 1/2; this is
    /// k-diffusion's.
    /// </summary>
    /// <param name="levels">Noise levels, noisiest first.</param>
    /// <param name="network">What the network predicts.</param>
    /// <param name="options">Order and form.</param>
    /// <param name="clip">Clamp the clean sample to [-1, 1].</param>
    /// <exception cref="ArgumentException">
    /// There are no levels, they do not become less noisy, or one cannot be used with this network; or the predicted noise is to be integrated with fresh noise.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">An order outside 1 to 3, a negative eta.</exception>
    public static SamplerTable DpmSolver(IReadOnlyList<NoiseLevel> levels, Parameterization network, DpmSolverOptions options, bool clip = true)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Order is < 1 or > 3) throw new ArgumentOutOfRangeException(nameof(options), options.Order, "The order is 1, 2 or 3.");
        RequireEta(options.Eta);
        if (options is { IntegratesNoise: true, Eta: > 0 })
            throw new ArgumentException($"DPM-Solver in the predicted noise is deterministic; got eta {options.Eta}. Use DPM-Solver++ for fresh noise.", nameof(options));
        RequireFinite(levels, options.IntegratesNoise);
        string form = options.IntegratesNoise ? "dpm-solver" : "dpm-solver++";
        string name = options.Eta > 0 ? Text($"{form}({options.Order}m) sde, eta={options.Eta}") : Text($"{form}({options.Order}m)");
        return Build(name, levels, inEdmScale: false, (i, level, next) =>
        {
            SamplerRow row = VpRow(level, network, i, clip);
            if ((next ?? options.Final) is not { } to) return row with { B = 1 };
            int left = levels.Count - i, order = Math.Min(options.Order, 1 + FiniteBefore(levels, i));
            bool lowers = options.LowersLastOrders && levels.Count < FewSteps;
            if (left == 1 && (lowers || options.EndsInFirstOrder)) order = 1;
            else if (left == 2 && lowers) order = Math.Min(order, 2);
            double h = HalfStep(level, to);
            double[] weights = Differences(levels, i, h, order, DpmCoefficients(options, order, h * (1 + options.Eta)));
            double keep = options.Eta == 0 ? 1 : Math.Exp(-options.Eta * h);
            row = options.IntegratesNoise
                ? OfNoise(row, level, to.Alpha / level.Alpha, weights, -to.Sigma)
                : OfClean(row, to.Sigma / level.Sigma * keep, weights, to.Alpha) with
                {
                    C = options.Eta == 0 ? 0 : to.Sigma * Math.Sqrt(-ExpM1(-2 * options.Eta * h)),
                };
            return row with { ShiftHistories = options.Order > 2 ? 1 : 0, StoreHistory = options.Order > 1 };
        });
    }

    private static (double First, double Second, double Third) DpmCoefficients(DpmSolverOptions options, int order, double h)
    {
        bool half = options.Midpoint && order < 3;
        double e = ExpM1(options.IntegratesNoise ? h : -h);
        double third = order < 3 ? 0 : (e + (options.IntegratesNoise ? -h : h)) / (h * h) - 0.5;
        return options.IntegratesNoise ? (e, half ? e / 2 : e / h - 1, third) : (-e, half ? -e / 2 : e / h + 1, -third);
    }

    /// <summary>Weights of m0, m1, m2 in <c>c1 m0 + c2 D1 + c3 D2</c>.</summary>
    private static double[] Differences(IReadOnlyList<NoiseLevel> levels, int i, double h, int order, (double First, double Second, double Third) c)
    {
        if (order == 1) return [c.First, 0, 0];
        double r0 = HalfStep(levels[i - 1], levels[i]) / h;
        if (order == 2) return [c.First + c.Second / r0, -c.Second / r0, 0];
        double r1 = HalfStep(levels[i - 2], levels[i - 1]) / h, share = r0 / (r0 + r1);
        // D1 = (1 + share) a - share b, D2 = (a - b) / (r0 + r1).
        double a = (c.Second * (1 + share) + c.Third / (r0 + r1)) / r0, b = -(c.Second * share + c.Third / (r0 + r1)) / r1;
        return [c.First + a, b - a, -b];
    }

    /// <summary>The step from weights of clean samples, which are kept as histories.</summary>
    private static SamplerRow OfClean(SamplerRow row, double a, double[] weights, double scale) => row with
    {
        A = a, B = scale * weights[0], P = scale * weights[1], P2 = scale * weights[2], HistoryFromX = 1,
    };

    /// <summary>The step from weights of predicted noise <c>(z - alpha x) / sigma</c>, which is kept as histories.</summary>
    private static SamplerRow OfNoise(SamplerRow row, NoiseLevel level, double a, double[] weights, double scale) => row with
    {
        A = a + scale * weights[0] / level.Sigma, B = -scale * weights[0] * level.Alpha / level.Sigma, P = scale * weights[1], P2 = scale * weights[2],
        HistoryFromZ = 1 / level.Sigma, HistoryFromX = -level.Alpha / level.Sigma,
    };

    private static double HalfStep(NoiseLevel level, NoiseLevel next) => (next.LogSnr - level.LogSnr) / 2;

    // A step from pure noise is infinitely long: nothing is extrapolated from before it.
    private static int FiniteBefore(IReadOnlyList<NoiseLevel> levels, int i) => double.IsInfinity(levels[0].LogSnr) ? Math.Max(0, i - 1) : i;

    private static void RequireFinite(IReadOnlyList<NoiseLevel> levels, bool integratesNoise)
    {
        if (integratesNoise && levels is { Count: > 0 } && levels[0].Alpha == 0)
            throw new ArgumentException("From pure noise (alpha 0) a solver cannot integrate the predicted noise; integrate the clean sample.", nameof(levels));
    }

    private static void RequireEta(double eta)
    {
        if (!(eta >= 0) || double.IsInfinity(eta)) throw new ArgumentOutOfRangeException(nameof(eta), eta, "Must be at least 0 and finite.");
    }
}
