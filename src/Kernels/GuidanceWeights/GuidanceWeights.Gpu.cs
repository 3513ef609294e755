using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void GuidanceWeights(in GuidanceWeightsOptions options, TensorView prediction, TensorView branchRow, int channels, TensorView weight)
    {
        options.Require(channels);
        if (options.IsIdentity) return;
        int stride = prediction.Shape.Channels, used = options.GuidedChannels > 0 ? options.GuidedChannels : channels;
        Launch(new GuidanceWeightsKernel
        {
            Formula = new GuidanceWeightsFormula(options), Prediction = View(prediction), BranchRow = Indices(branchRow), Weight = View(weight),
            Rows = prediction.Shape.Batch, Branches = branchRow.Shape.Channels,
            RowLength = checked((int)prediction.Shape.RowCount), Stride = stride, Used = used,
        }, weight.Shape.Batch);
    }
}

/// <summary>The weights of one sample, a group for each.</summary>
internal struct GuidanceWeightsKernel : IGpuKernel
{
    public GuidanceWeightsFormula Formula;
    public ArrayView<float> Prediction, Weight;
    public ArrayView<int> BranchRow;
    public int Rows, Branches, RowLength, Stride, Used;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<double>(GpuKernels.GroupSize);
        int n = Grid.IdxX, weights = n * (1 + Branches), rows = n * Branches, count = RowLength / Stride * Used;
        bool inside = true;
        for (int k = 0; k < Branches; k++)
            if (BranchRow[rows + k] >= Rows) inside = false;
        if (!inside)
        {
            if (Group.IdxX == 0) Weight[weights] = float.NaN;
            return;
        }
        double m = Weight[weights], first = Weight[weights + 1];
        bool corrected = Formula.Kind != GuidanceWeightsKind.Plain && BranchRow[rows] >= 0 && first != 0, rescaled = Formula.Rescale > 0f;
        if (!corrected && !rescaled) return;
        if (corrected)
        {
            long conditional = (long)n * RowLength, other = (long)BranchRow[rows] * RowLength;
            double a = 0, b = 0, product = 0, difference = 0;
            for (int i = Group.IdxX; i < count; i += GpuKernels.GroupSize)
            {
                int at = At(i);
                double x = Prediction[conditional + at], y = Prediction[other + at];
                a += x * x;
                b += y * y;
                product += x * y;
                difference += (x - y) * (x - y);
            }
            a = Reduction.Sum(shared, a);
            b = Reduction.Sum(shared, b);
            product = Reduction.Sum(shared, product);
            difference = Reduction.Sum(shared, difference);
            Formula.Correct<GpuScalarMath>(a, b, product, difference, ref m, ref first);
        }
        double factor = 1;
        if (rescaled)
        {
            // Less the first element of each, as on the CPU.
            double firstConditional = Prediction[(long)n * RowLength], firstCombined = Combined(n, 0, m, first);
            double sum = 0, squares = 0, combined = 0, combinedSquares = 0;
            for (int i = Group.IdxX; i < count; i += GpuKernels.GroupSize)
            {
                int at = At(i);
                double x = Prediction[(long)n * RowLength + at] - firstConditional, p = Combined(n, at, m, first) - firstCombined;
                sum += x;
                squares += x * x;
                combined += p;
                combinedSquares += p * p;
            }
            sum = Reduction.Sum(shared, sum);
            squares = Reduction.Sum(shared, squares);
            combined = Reduction.Sum(shared, combined);
            combinedSquares = Reduction.Sum(shared, combinedSquares);
            factor = Formula.RescaleFactor(squares - sum * sum / count, combinedSquares - combined * combined / count);
        }
        // All have read the weights: the sums had them wait for each other.
        if (Group.IdxX != 0) return;
        Weight[weights] = (float)(factor * m);
        Weight[weights + 1] = (float)(factor * first);
        for (int k = 1; k < Branches; k++) Weight[weights + 1 + k] = (float)(factor * Weight[weights + 1 + k]);
    }

    /// <summary>Where a used element lies in its row.</summary>
    private readonly int At(int element)
    {
        if (Used == Stride) return element;
        int pixel = element / Used;
        return pixel * Stride + (element - pixel * Used);
    }

    /// <summary>An element of the guided prediction.</summary>
    private readonly double Combined(int n, int at, double m, double first)
    {
        double x = Prediction[(long)n * RowLength + at], p = m * x;
        for (int k = 0; k < Branches; k++)
        {
            int row = BranchRow[n * Branches + k];
            double w = first;
            if (k > 0) w = Weight[n * (1 + Branches) + 1 + k];
            if (row >= 0 && w != 0) p += w * (x - Prediction[(long)row * RowLength + at]);
        }
        return p;
    }
}
