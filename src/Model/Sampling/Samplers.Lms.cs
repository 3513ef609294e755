using NativeDiffusion.Model.Schedules;

namespace NativeDiffusion.Model.Sampling;

/// <content>Linear multistep solver in EDM scale.</content>
public static partial class Samplers
{
    private const int MostLmsOrder = 4;

    /// <summary>
    /// Linear multistep (Adams-Bashforth on uneven levels, as k-diffusion has it): with <c>d = (z - x) / s</c> of this step and those before it,
    /// <c>z' = z + sum_j c_j d_{i-j}</c>, <c>c_j</c> the integral from s to s' of the Lagrange polynomial that is 1 at <c>s_{i-j}</c>. The first steps have
    /// lower orders; the last, to s' = 0, has the full one and may leave [-1, 1], clipped or not.
    /// </summary>
    /// <param name="levels">Noise levels, noisiest first.</param>
    /// <param name="network">What the network predicts.</param>
    /// <param name="order">1 to 4.</param>
    /// <param name="clip">Clamp the clean sample to [-1, 1].</param>
    /// <exception cref="ArgumentException">There are no levels, they do not become less noisy, or the first is pure noise (alpha 0).</exception>
    /// <exception cref="ArgumentOutOfRangeException">The order lies outside 1 to 4.</exception>
    public static SamplerTable Lms(IReadOnlyList<NoiseLevel> levels, Parameterization network, int order = MostLmsOrder, bool clip = true)
    {
        if (order is < 1 or > MostLmsOrder) throw new ArgumentOutOfRangeException(nameof(order), order, $"The order is 1 to {MostLmsOrder}.");
        return Build(Text($"lms, order {order}"), levels, inEdmScale: true, (i, level, next) =>
        {
            SamplerRow row = EdmRow(level, network, i, clip);
            double[] c = new double[MostLmsOrder];
            int steps = Math.Min(i + 1, order);
            for (int j = 0; j < steps; j++) c[j] = LagrangeIntegral(levels, i, j, steps, next?.SigmaEdm ?? 0);
            double s = level.SigmaEdm;
            return row with
            {
                A = 1 + c[0] / s, B = -c[0] / s, P = c[1], P2 = c[2], P3 = c[3],
                StoreHistory = order > 1, HistoryFromZ = 1 / s, HistoryFromX = -1 / s, ShiftHistories = Math.Max(0, order - 2),
            };
        });
    }

    // Gauss' rule with two nodes, which is exact up to the third degree.
    private static double LagrangeIntegral(IReadOnlyList<NoiseLevel> levels, int i, int j, int order, double end)
    {
        double start = levels[i].SigmaEdm, middle = (start + end) / 2, half = (end - start) / 2, offset = half / Math.Sqrt(3), own = levels[i - j].SigmaEdm;
        double At(double s)
        {
            double product = 1;
            for (int k = 0; k < order; k++)
                if (k != j) product *= (s - levels[i - k].SigmaEdm) / (own - levels[i - k].SigmaEdm);
            return product;
        }

        return half * (At(middle - offset) + At(middle + offset));
    }
}
