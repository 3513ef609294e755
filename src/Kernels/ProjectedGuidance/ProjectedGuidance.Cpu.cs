namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.ProjectedGuidance(
        in ProjectedGuidanceOptions options, TensorView prediction, TensorView branchRow, int channels, TensorView weight, TensorView running)
    {
        options.Require(channels);
        int* rows = (int*)branchRow.Pointer;
        int branches = branchRow.Shape.Channels, samples = weight.Shape.Batch, stride = prediction.Shape.Channels;
        for (int i = 0; i < branchRow.Count; i++)
            if (rows[i] >= prediction.Shape.Batch || (rows[i] >= 0 && rows[i] < samples))
                throw new ArgumentException(
                    $"Sample {i / branches} has its branch {i % branches + 1} in row {rows[i]}; of {prediction.Shape} those from {samples} on are branches.");
        var job = new ProjectedGuidanceJob(
            new ProjectedGuidanceFormula(options), prediction.Pointer, rows, weight.Pointer, running.Pointer, branches,
            prediction.Shape.RowCount / stride, stride, channels, options.GuidedChannels > 0 ? options.GuidedChannels : channels, options.PerChannel);
        Pool.Run(ref job, samples);
    }

    /// <summary>One sample.</summary>
    private readonly struct ProjectedGuidanceJob(
        ProjectedGuidanceFormula formula, float* prediction, int* branchRow, float* weight, float* running, int branches, long pixels, int stride, int channels,
        int used, bool perChannel) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            float* weights = weight + (nint)item * (1 + branches), p = prediction + item * pixels * stride;
            int* rows = branchRow + (nint)item * branches;
            bool projects = rows[0] >= 0 && weights[1] != 0, combines = projects || weights[0] != 1;
            for (int k = 1; k < branches; k++) combines |= rows[k] >= 0 && weights[1 + k] != 0;
            if (combines)
            {
                double conditional = formula.Rescale > 0 ? Spread(p) : 0;
                int width = perChannel ? 1 : used;
                for (int first = 0; first < used; first += width) Combine(item, p, rows, weights, projects, first, width);
                if (formula.Rescale > 0) Multiply(p, formula.RescaleFactor(conditional, Spread(p)));
            }
            weights[0] = 1;
            for (int k = 0; k < branches; k++) weights[1 + k] = 0;
        }

        private void Combine(int item, float* p, int* rows, float* weights, bool projects, int first, int width)
        {
            float* run = running == null ? null : running + item * pixels * channels, other = projects ? prediction + rows[0] * pixels * stride : p;
            var factors = default(ProjectedFactors);
            if (projects)
            {
                double differences = 0, product = 0, conditional = 0;
                for (nint pixel = 0; pixel < pixels; pixel++)
                    for (int c = first; c < first + width; c++)
                    {
                        nint i = pixel * stride + c;
                        double x = p[i], difference = x - other[i];
                        if (run != null) difference = run[pixel * channels + c] = (float)(difference + (double)formula.Momentum * run[pixel * channels + c]);
                        differences += difference * difference;
                        product += difference * x;
                        conditional += x * x;
                    }
                factors = formula.Factors(differences, product, conditional, weights[1]);
            }
            for (nint pixel = 0; pixel < pixels; pixel++)
                for (int c = first; c < first + width; c++)
                {
                    nint i = pixel * stride + c;
                    double x = p[i], plain = x - other[i], difference = projects && run != null ? run[pixel * channels + c] : plain;
                    double sum = weights[0] * x;
                    if (projects) sum += factors.Difference * difference + factors.Conditional * x + factors.Plain * plain;
                    for (int k = 1; k < branches; k++)
                        if (rows[k] >= 0 && weights[1 + k] != 0)
                            sum += weights[1 + k] * (x - prediction[rows[k] * pixels * stride + i]);
                    p[i] = (float)sum;
                }
        }

        private void Multiply(float* p, double factor)
        {
            for (nint pixel = 0; pixel < pixels; pixel++)
                for (int c = 0; c < used; c++) p[pixel * stride + c] = (float)(factor * p[pixel * stride + c]);
        }

        /// <summary>Sum of squared deviations from the mean; exactly 0 for a constant, since the first element is taken off.</summary>
        private double Spread(float* p)
        {
            double sum = 0, squares = 0, mean;
            for (nint pixel = 0; pixel < pixels; pixel++)
                for (int c = 0; c < used; c++) sum += (double)p[pixel * stride + c] - p[0];
            mean = sum / (pixels * (double)used);
            for (nint pixel = 0; pixel < pixels; pixel++)
                for (int c = 0; c < used; c++)
                {
                    double deviation = (double)p[pixel * stride + c] - p[0] - mean;
                    squares += deviation * deviation;
                }
            return squares;
        }
    }
}
