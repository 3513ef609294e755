namespace NativeDiffusion.Model.Sampling;

/// <summary>
/// Heun's steps with churn of Karras et al. 2022 (arXiv 2206.00364, algorithm 2), state and arithmetic in double: the network is where the
/// precision ends.
/// </summary>
internal static class HeunSolver
{
    /// <summary>The clean sample at a state and a noise level.</summary>
    public delegate void Denoise(double[] x, double sigma, double[] denoised);

    /// <summary>Goes from the first level to 0, in 2N - 1 evaluations.</summary>
    /// <param name="x">The state with noise of the first level; becomes the sample.</param>
    /// <param name="sigmas">The N levels, largest first, without the final 0.</param>
    /// <param name="churn">Noise added back before a step.</param>
    /// <param name="round">The level nearest to one that the network knows.</param>
    /// <param name="denoise">D.</param>
    /// <param name="noise">Fills the second argument with the standard normal noise of a step; called where a step has churn.</param>
    /// <param name="afterStep">Told every step and the state after it; may be null.</param>
    public static void Run(
        double[] x, IReadOnlyList<double> sigmas, HeunChurn churn, Func<double, double> round, Denoise denoise, Action<int, double[]> noise, Action<int, double[]>? afterStep)
    {
        double[] denoised = new double[x.Length], direction = new double[x.Length], ahead = new double[x.Length];
        for (int i = 0; i < sigmas.Count; i++)
        {
            double sigma = sigmas[i], next = i + 1 < sigmas.Count ? sigmas[i + 1] : 0, raised = round(churn.RaisedLevel(sigma, sigmas.Count));
            if (raised > sigma)
            {
                noise(i, ahead);
                double factor = Math.Sqrt((raised - sigma) * (raised + sigma)) * churn.NoiseScale;
                for (int e = 0; e < x.Length; e++) x[e] += factor * ahead[e];
            }
            denoise(x, raised, denoised);
            for (int e = 0; e < x.Length; e++)
            {
                direction[e] = (x[e] - denoised[e]) / raised;
                ahead[e] = x[e] + (next - raised) * direction[e];
            }
            if (next > 0)
            {
                denoise(ahead, next, denoised);
                for (int e = 0; e < x.Length; e++) x[e] += (next - raised) * 0.5 * (direction[e] + (ahead[e] - denoised[e]) / next);
            }
            else ahead.CopyTo(x, 0);
            afterStep?.Invoke(i, x);
        }
    }
}
