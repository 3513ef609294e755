using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.GuidanceWeights(in GuidanceWeightsOptions options, TensorView prediction, TensorView branchRow, int channels, TensorView weight)
    {
        options.Require(channels);
        int* rows = (int*)branchRow.Pointer;
        int branches = branchRow.Shape.Channels;
        for (int i = 0; i < branchRow.Count; i++)
            if (rows[i] >= prediction.Shape.Batch)
                throw new ArgumentException($"Sample {i / branches} has its branch {i % branches + 1} in row {rows[i]}, but the prediction is {prediction.Shape}.");
        if (options.IsIdentity) return;
        int stride = prediction.Shape.Channels, used = options.GuidedChannels > 0 ? options.GuidedChannels : channels;
        var job = new GuidanceWeightsJob(
            new GuidanceWeightsFormula(options), prediction.Pointer, rows, weight.Pointer, branches, prediction.Shape.RowCount, stride, used);
        Pool.Run(ref job, weight.Shape.Batch);
    }

    /// <summary>One sample. Its used channels lie in runs, a run being a pixel, or the whole row if all channels are used.</summary>
    private readonly struct GuidanceWeightsJob(
        GuidanceWeightsFormula formula, float* prediction, int* branchRow, float* weight, int branches, long rowLength, int stride, int used) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            float* weights = weight + (nint)item * (1 + branches);
            int* rows = branchRow + (nint)item * branches;
            float* conditional = prediction + item * rowLength;
            double* w = stackalloc double[branches];
            float** others = stackalloc float*[branches];
            int present = 0;
            double m = weights[0], first = weights[1];
            bool hasFirst = rows[0] >= 0 && first != 0;
            if (hasFirst && formula.Kind != GuidanceWeightsKind.Plain)
            {
                var sums = default(PairSums);
                float* other = prediction + rows[0] * rowLength;
                ForEachRun(ref sums, conditional, &other, 1);
                formula.Correct<CpuScalarMath>(sums.Conditional, sums.Other, sums.Product, sums.Difference, ref m, ref first);
            }
            double factor = 1;
            if (formula.Rescale != 0)
            {
                for (int k = 0; k < branches; k++)
                {
                    double value = k == 0 ? first : weights[1 + k];
                    if (rows[k] < 0 || value == 0) continue;
                    w[present] = value;
                    others[present++] = prediction + rows[k] * rowLength;
                }
                if (present > 0 || m != 1)
                {
                    var sums = new SpreadSums(m, w, conditional, others, present);
                    ForEachRun(ref sums, conditional, others, present);
                    double count = rowLength / stride * (double)used;
                    factor = formula.RescaleFactor(
                        sums.ConditionalSquares - sums.Conditional * sums.Conditional / count, sums.CombinedSquares - sums.Combined * sums.Combined / count);
                }
            }
            weights[0] = (float)(factor * m);
            weights[1] = (float)(factor * first);
            for (int k = 1; k < branches; k++) weights[1 + k] = (float)(factor * weights[1 + k]);
        }

        private void ForEachRun<TSums>(ref TSums sums, float* conditional, float** others, int count)
            where TSums : unmanaged, IRunSums
        {
            if (used == stride) sums.Add(conditional, others, count, 0, (nint)rowLength);
            else for (nint start = 0; start < rowLength; start += stride) sums.Add(conditional, others, count, start, used);
        }
    }

    private interface IRunSums
    {
        void Add(float* conditional, float** others, int count, nint start, nint length);
    }

    /// <summary>|p0|^2, |p1|^2, p0.p1 and |p0 - p1|^2.</summary>
    private struct PairSums : IRunSums
    {
        public double Conditional, Other, Product, Difference;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Add(float* conditional, float** others, int count, nint start, nint length)
        {
            float* a = conditional + start, b = others[0] + start;
            nint i = 0;
            if (length >= 8)
            {
                Vector256<double> aa = default, bb = default, ab = default, dd = default;
                for (; i <= length - 8; i += 8)
                {
                    Vector256<float> x = Vector256.Load(a + i), y = Vector256.Load(b + i);
                    Vector256<double> x0 = Vector256.WidenLower(x), x1 = Vector256.WidenUpper(x), y0 = Vector256.WidenLower(y), y1 = Vector256.WidenUpper(y);
                    Vector256<double> d0 = x0 - y0, d1 = x1 - y1;
                    aa += x0 * x0 + x1 * x1;
                    bb += y0 * y0 + y1 * y1;
                    ab += x0 * y0 + x1 * y1;
                    dd += d0 * d0 + d1 * d1;
                }
                Conditional += Vector256.Sum(aa);
                Other += Vector256.Sum(bb);
                Product += Vector256.Sum(ab);
                Difference += Vector256.Sum(dd);
            }
            for (; i < length; i++)
            {
                double x = a[i], y = b[i], d = x - y;
                Conditional += x * x;
                Other += y * y;
                Product += x * y;
                Difference += d * d;
            }
        }
    }

    /// <summary>
    /// Sums and squares of p0 and p, less the first element of each: so a constant has a spread of exactly 0, and a small spread about a large mean
    /// keeps its digits.
    /// </summary>
    private struct SpreadSums : IRunSums
    {
        public double Conditional, ConditionalSquares, Combined, CombinedSquares;
        private readonly double _m, _firstConditional, _firstCombined;
        private readonly double* _w;

        public SpreadSums(double m, double* w, float* conditional, float** others, int count)
        {
            _w = w;
            (_m, _firstConditional) = (m, conditional[0]);
            _firstCombined = CombinedAt(conditional, others, count, 0);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Add(float* conditional, float** others, int count, nint start, nint length)
        {
            nint i = start, end = start + length;
            if (length >= 8)
            {
                Vector256<double> sum = default, squares = default, combined = default, combinedSquares = default;
                for (; i <= end - 8; i += 8)
                {
                    Vector256<float> x = Vector256.Load(conditional + i);
                    Vector256<double> x0 = Vector256.WidenLower(x), x1 = Vector256.WidenUpper(x), p0 = _m * x0, p1 = _m * x1;
                    for (int k = 0; k < count; k++)
                    {
                        Vector256<float> y = Vector256.Load(others[k] + i);
                        p0 += _w[k] * (x0 - Vector256.WidenLower(y));
                        p1 += _w[k] * (x1 - Vector256.WidenUpper(y));
                    }
                    x0 -= Vector256.Create(_firstConditional);
                    x1 -= Vector256.Create(_firstConditional);
                    p0 -= Vector256.Create(_firstCombined);
                    p1 -= Vector256.Create(_firstCombined);
                    sum += x0 + x1;
                    squares += x0 * x0 + x1 * x1;
                    combined += p0 + p1;
                    combinedSquares += p0 * p0 + p1 * p1;
                }
                Conditional += Vector256.Sum(sum);
                ConditionalSquares += Vector256.Sum(squares);
                Combined += Vector256.Sum(combined);
                CombinedSquares += Vector256.Sum(combinedSquares);
            }
            for (; i < end; i++)
            {
                double x = conditional[i] - _firstConditional, p = CombinedAt(conditional, others, count, i) - _firstCombined;
                Conditional += x;
                ConditionalSquares += x * x;
                Combined += p;
                CombinedSquares += p * p;
            }
        }

        private readonly double CombinedAt(float* conditional, float** others, int count, nint i)
        {
            double x = conditional[i], p = _m * x;
            for (int k = 0; k < count; k++) p += _w[k] * (x - others[k][i]);
            return p;
        }
    }
}
