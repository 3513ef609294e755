using NativeDiffusion.Model.Schedules;

namespace NativeDiffusion.Model.Sampling;

/// <content>UniPC (Zhao et al., arXiv 2302.04867) in VP scale.</content>
public static partial class Samplers
{
    /// <summary>
    /// UniPC. With <c>l</c> half the log-SNR, <c>h = l' - l</c>, <c>hh = -h</c>, <c>B = hh</c> (bh1) or <c>exp(hh) - 1</c> (bh2), <c>m</c> the clean samples, nodes
    /// <c>r_j = (l_{i-j} - l_i) / h</c> for j below the order q, and <c>D_j = (m_{i-j} - m_i) / r_j</c>:
    /// <code>
    /// predictor  z' = (sigma'/sigma) z - alpha' (exp(hh) - 1) m_i - alpha' B sum_j rho_j D_j
    /// corrector  the same with sum_j rho_j D_j + rho_q (m' - m_i), m' the clean sample at the predicted z'
    /// </code>
    /// rho solves <c>sum_j r_j^(k-1) rho_j = psi_k k! / B</c> for k = 1 to q - 1 (predictor; 1/2 for q = 2) or q, with the node 1 added (corrector; 1/2 for
    /// q = 1), <c>psi_1 = (exp(hh) - 1) / hh - 1</c>, <c>psi_{k+1} = psi_k / hh - 1 / (k+1)!</c>. The corrected state replaces the predicted one before the next
    /// predictor without a new evaluation; as both start from the same state, their difference is one of clean samples, and the two are one row. In the
    /// form of predicted noise m is the noise, hh = h, and alpha and sigma change places.
    /// </summary>
    /// <param name="levels">Noise levels, noisiest first.</param>
    /// <param name="network">What the network predicts.</param>
    /// <param name="options">Order and form; null for the defaults.</param>
    /// <param name="clip">Clamp the clean sample to [-1, 1].</param>
    /// <exception cref="ArgumentException">There are no levels, they do not become less noisy, or one cannot be used with this network.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The order lies outside 1 to 3, or no step has the first corrected one's number.</exception>
    public static SamplerTable UniPC(IReadOnlyList<NoiseLevel> levels, Parameterization network, UniPCOptions? options = null, bool clip = true)
    {
        var form = options ?? new UniPCOptions();
        if (form.Order is < 1 or > 3) throw new ArgumentOutOfRangeException(nameof(options), form.Order, "The order is 1, 2 or 3.");
        if (form.FirstCorrected < 1) throw new ArgumentOutOfRangeException(nameof(options), form.FirstCorrected, "The first step arrives at step 1.");
        RequireFinite(levels, form.IntegratesNoise);
        string name = Text($"unipc, order {form.Order}, {(form.Exponential ? "bh2" : "bh1")}{(form.IntegratesNoise ? ", noise" : "")}");
        return Build(name, levels, inEdmScale: false, (i, level, next) =>
        {
            SamplerRow row = VpRow(level, network, i, clip);
            if ((next ?? form.Final) is not { } to) return row with { B = 1 };
            // Weights of m_i to m_{i-3}: first of the corrected state beside the predicted one, then of the next predictor.
            double keep = form.IntegratesNoise ? to.Alpha / level.Alpha : to.Sigma / level.Sigma;
            double[] weights = i < form.FirstCorrected ? new double[4] : Corrector(levels, i, form);
            for (int j = 0; j < weights.Length; j++) weights[j] *= keep;
            double h = HalfStep(level, to), hh = form.IntegratesNoise ? h : -h, target = form.IntegratesNoise ? to.Sigma : to.Alpha;
            int order = OrderOf(levels.Count, i, levels, form);
            weights[0] -= target * ExpM1(hh);
            double[] rho = order == 2 ? [0.5] : Rho(Nodes(levels, i, h, order), hh, form);
            AddDifferences(weights, 0, Nodes(levels, i, h, order), rho, -target * BOf(hh, form));
            row = form.IntegratesNoise ? OfNoise(row, level, keep, weights, 1) : OfClean(row, keep, weights, 1);
            return row with { P3 = weights[3], StoreHistory = true, ShiftHistories = form.Order - 1 };
        });
    }

    /// <summary>What the corrected state of level i has more than the predicted one: weights of m_i to m_{i-3}.</summary>
    private static double[] Corrector(IReadOnlyList<NoiseLevel> levels, int i, UniPCOptions form)
    {
        double[] weights = new double[4];
        NoiseLevel from = levels[i - 1], to = levels[i];
        double h = HalfStep(from, to), hh = form.IntegratesNoise ? h : -h, b = BOf(hh, form), target = form.IntegratesNoise ? to.Sigma : to.Alpha;
        // The way from pure noise is infinitely long, and only bh2 is finite there.
        if (double.IsInfinity(b)) return weights;
        int order = OrderOf(levels.Count, i - 1, levels, form);
        double[] nodes = Nodes(levels, i - 1, h, order), predictor = order == 2 ? [0.5] : Rho(nodes, hh, form);
        double[] corrector = order == 1 ? [0.5] : Rho([.. nodes, 1], hh, form);
        AddDifferences(weights, 1, nodes, [.. nodes.Select((_, j) => corrector[j] - predictor[j])], -target * b);
        double last = -target * b * corrector[order - 1];
        weights[0] += last;
        weights[1] -= last;
        return weights;
    }

    // Adds scale sum_j rho_j D_j, of which m_i has the weight at the given place.
    private static void AddDifferences(double[] weights, int place, double[] nodes, double[] rho, double scale)
    {
        for (int j = 0; j < nodes.Length; j++)
        {
            double weight = scale * rho[j] / nodes[j];
            weights[place + 1 + j] += weight;
            weights[place] -= weight;
        }
    }

    private static int OrderOf(int steps, int i, IReadOnlyList<NoiseLevel> levels, UniPCOptions form) =>
        Math.Min(Math.Min(form.Order, 1 + FiniteBefore(levels, i)), form.LowersLastOrders ? steps - i : form.Order);

    private static double BOf(double hh, UniPCOptions form) => form.Exponential ? ExpM1(hh) : hh;

    private static double[] Nodes(IReadOnlyList<NoiseLevel> levels, int i, double h, int order) =>
        [.. Enumerable.Range(1, order - 1).Select(j => -HalfStep(levels[i - j], levels[i]) / h)];

    /// <summary>The solution of <c>sum_j r_j^(k-1) rho_j = psi_k k! / B</c>, k from 1 to as many as there are nodes.</summary>
    private static double[] Rho(double[] nodes, double hh, UniPCOptions form)
    {
        int count = nodes.Length;
        var (matrix, right) = (new double[count, count], new double[count]);
        double psi = ExpM1(hh) / hh - 1, factorial = 1;
        for (int k = 0; k < count; k++)
        {
            factorial *= k + 1;
            right[k] = psi * factorial / BOf(hh, form);
            psi = psi / hh - 1 / (factorial * (k + 2));
            for (int j = 0; j < count; j++) matrix[k, j] = Math.Pow(nodes[j], k);
        }
        // Nodes differ, so that elimination without exchange of rows finds no zero: these are the matrices of interpolation.
        for (int k = 0; k < count; k++)
            for (int row = k + 1; row < count; row++)
            {
                double factor = matrix[row, k] / matrix[k, k];
                for (int j = k; j < count; j++) matrix[row, j] -= factor * matrix[k, j];
                right[row] -= factor * right[k];
            }
        for (int k = count - 1; k >= 0; k--)
        {
            for (int j = k + 1; j < count; j++) right[k] -= matrix[k, j] * right[j];
            right[k] /= matrix[k, k];
        }
        return right;
    }
}
