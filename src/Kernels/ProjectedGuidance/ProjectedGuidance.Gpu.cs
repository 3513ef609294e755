using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void ProjectedGuidance(
        in ProjectedGuidanceOptions options, TensorView prediction, TensorView branchRow, int channels, TensorView weight, TensorView running)
    {
        options.Require(channels);
        int stride = prediction.Shape.Channels, used = options.GuidedChannels > 0 ? options.GuidedChannels : channels;
        Launch(new ProjectedGuidanceKernel
        {
            Formula = new ProjectedGuidanceFormula(options), Prediction = View(prediction), BranchRow = Indices(branchRow), Weight = View(weight),
            Running = View(running), HasRunning = running.IsEmpty ? 0 : 1, Rows = prediction.Shape.Batch, Samples = weight.Shape.Batch,
            Branches = branchRow.Shape.Channels, Pixels = checked((int)(prediction.Shape.RowCount / stride)), Stride = stride, Channels = channels,
            Used = used, Width = options.PerChannel ? 1 : used, Rescales = options.Rescale > 0 ? 1 : 0,
        }, weight.Shape.Batch);
    }
}

/// <summary>The guided prediction of one sample, a group for each.</summary>
internal struct ProjectedGuidanceKernel : IGpuKernel
{
    public ProjectedGuidanceFormula Formula;
    public ArrayView<float> Prediction, Weight, Running;
    public ArrayView<int> BranchRow;
    public int HasRunning, Rows, Samples, Branches, Pixels, Stride, Channels, Used, Width, Rescales;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<double>(GpuKernels.GroupSize);
        int n = Grid.IdxX;
        bool inside = true;
        for (int k = 0; k < Branches; k++)
        {
            int row = BranchRow[n * Branches + k];
            if (row >= Rows || (row >= 0 && row < Samples)) inside = false;
        }
        if (inside)
        {
            double conditional = 0;
            if (Rescales != 0) conditional = Spread(shared, n);
            for (int first = 0; first < Used; first += Width) Combine(shared, n, first);
            if (Rescales != 0)
            {
                // Written by other threads, and joined by the sums' barriers only after that.
                Group.Barrier();
                double factor = Formula.RescaleFactor(conditional, Spread(shared, n));
                for (int e = Group.IdxX; e < Pixels * Used; e += GpuKernels.GroupSize) Prediction[At(n, e)] = (float)(factor * Prediction[At(n, e)]);
            }
        }
        // All have read the weights.
        Group.Barrier();
        if (Group.IdxX != 0) return;
        float one = 1f;
        if (!inside) one = float.NaN;
        Weight[n * (1 + Branches)] = one;
        for (int k = 0; k < Branches; k++) Weight[n * (1 + Branches) + 1 + k] = 0f;
    }

    private readonly void Combine(ArrayView<double> shared, int n, int first)
    {
        int weights = n * (1 + Branches), rows = n * Branches;
        float w = Weight[weights + 1];
        bool projects = BranchRow[rows] >= 0 && w != 0;
        long own = (long)n * Pixels * Stride, other = own, run = (long)n * Pixels * Channels;
        if (projects) other = (long)BranchRow[rows] * Pixels * Stride;
        var factors = default(ProjectedFactors);
        if (projects)
        {
            double differences = 0, product = 0, conditional = 0;
            for (int e = Group.IdxX; e < Pixels * Width; e += GpuKernels.GroupSize)
            {
                int pixel = e / Width, c = first + e - pixel * Width;
                double x = Prediction[own + pixel * Stride + c], difference = x - Prediction[other + pixel * Stride + c];
                if (HasRunning != 0)
                {
                    float moved = (float)(difference + (double)Formula.Momentum * Running[run + pixel * Channels + c]);
                    Running[run + pixel * Channels + c] = moved;
                    difference = moved;
                }
                differences += difference * difference;
                product += difference * x;
                conditional += x * x;
            }
            differences = Reduction.Sum(shared, differences);
            product = Reduction.Sum(shared, product);
            conditional = Reduction.Sum(shared, conditional);
            factors = Formula.Factors(differences, product, conditional, w);
        }
        for (int e = Group.IdxX; e < Pixels * Width; e += GpuKernels.GroupSize)
        {
            int pixel = e / Width, c = first + e - pixel * Width;
            long i = (long)pixel * Stride + c;
            double x = Prediction[own + i], sum = Weight[weights] * x;
            if (projects)
            {
                double plain = x - Prediction[other + i], difference = plain;
                if (HasRunning != 0) difference = Running[run + pixel * Channels + c];
                sum += factors.Difference * difference + factors.Conditional * x + factors.Plain * plain;
            }
            for (int k = 1; k < Branches; k++)
            {
                int row = BranchRow[rows + k];
                float weight = Weight[weights + 1 + k];
                if (row >= 0 && weight != 0) sum += weight * (x - Prediction[(long)row * Pixels * Stride + i]);
            }
            Prediction[own + i] = (float)sum;
        }
    }

    private readonly long At(int n, int element)
    {
        int pixel = element / Used;
        return ((long)n * Pixels + pixel) * Stride + (element - pixel * Used);
    }

    /// <summary>Sum of squared deviations from the mean, as on the CPU; each thread receives it.</summary>
    private readonly double Spread(ArrayView<double> shared, int n)
    {
        double sum = 0, squares = 0, start = Prediction[At(n, 0)];
        for (int e = Group.IdxX; e < Pixels * Used; e += GpuKernels.GroupSize) sum += Prediction[At(n, e)] - start;
        double mean = Reduction.Sum(shared, sum) / ((double)Pixels * Used);
        for (int e = Group.IdxX; e < Pixels * Used; e += GpuKernels.GroupSize)
        {
            double deviation = Prediction[At(n, e)] - start - mean;
            squares += deviation * deviation;
        }
        return Reduction.Sum(shared, squares);
    }
}
