using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Sampling;
using Guarded = NativeDiffusion.Tests.Noise.GuardedTensor;

namespace NativeDiffusion.Tests.Reference;

/// <summary>A sampler's table run on recorded predictions, in double by the formulas of <see cref="SamplerRow"/> and in float32 by the kernel.</summary>
internal sealed class TableReplay
{
    public required SamplerTable Table { get; init; }

    public required double[] Start { get; init; }

    /// <summary>Conditional predictions of every evaluation in order.</summary>
    public required double[][] Conditional { get; init; }

    /// <summary>Those of the null class; null without guidance.</summary>
    public double[][]? Null { get; init; }

    /// <summary>Guidance scale.</summary>
    public double Scale { get; init; } = 1;

    /// <summary>Noises in the order drawn.</summary>
    public double[][] Noise { get; init; } = [];

    /// <summary>What is done to a clean sample where a row clips.</summary>
    public Func<double[], double[]> Limit { get; init; } = x => [.. x.Select(v => Math.Clamp(v, -1, 1))];

    /// <summary>The states after every step.</summary>
    public List<double[]> InDouble()
    {
        var states = new List<double[]>();
        double[] z = Start, h1 = [], h2 = [], h3 = [], stored = [];
        int evaluation = 0;
        for (int i = 0; i < Table.Rows.Count; i++)
        {
            SamplerRow r = Table.Rows[i];
            double[] zero = new double[z.Length], c = r.Evaluates ? Conditional[evaluation] : zero, p1 = r.Evaluates ? Null?[evaluation] ?? c : zero;
            if (r.Evaluates) evaluation++;
            double[] g = Null is null ? c : [.. c.Zip(p1, (a, b) => b + Scale * (a - b))];
            double[] x = [.. z.Zip(g, (a, b) => r.XFromZ * a + r.XFromG * b)];
            if (r.Clip) x = Limit(x);
            double[] noise = NoiseOf(r) ?? zero;
            double[] y = new double[z.Length];
            for (int e = 0; e < y.Length; e++)
                y[e] = r.A * z[e] + r.B * x[e] + r.E * g[e] + r.F * p1[e] + Read(r.P, h1, e) + Read(r.P2, h2, e) + Read(r.P3, h3, e) + Read(r.Q, stored, e)
                    + (r.NoNoise ? 0 : r.C * noise[e]);
            (h3, h2) = (r.ShiftHistories > 1 ? h2 : h3, r.ShiftHistories > 0 ? h1 : h2);
            if (r.StoreHistory) h1 = [.. Enumerable.Range(0, y.Length).Select(e => r.HistoryFromZ * z[e] + r.HistoryFromX * x[e] + r.HistoryFromP1 * p1[e])];
            if (r.StoreState) stored = z;
            z = y;
            if (EndsStep(i)) states.Add(z);
        }
        return states;
    }

    /// <summary>The same by the fused step.</summary>
    public List<double[]> OnKernel()
    {
        using var cpu = new CpuKernels(1);
        IKernels kernels = cpu;
        int count = Start.Length, branches = Null is null ? 0 : 1;
        var shape = new Shape(1, count);
        using Guarded z = new(shape, e => (float)Start[e]), h1 = new(shape), h2 = new(shape), h3 = new(shape), stored = new(shape), noise = new(shape),
            prediction = new(new Shape(1 + branches, count)), weight = new(new Shape(1, 1 + branches), k => k == 0 ? 1 : (float)(Scale - 1)),
            branchRow = new(new Shape(1, 1), _ => BitConverter.Int32BitsToSingle(1));
        var states = new List<double[]>();
        int evaluation = 0;
        for (int i = 0; i < Table.Rows.Count; i++)
        {
            SamplerRow r = Table.Rows[i];
            if (r.Evaluates)
            {
                for (int e = 0; e < count; e++) prediction.View.Span[e] = (float)Conditional[evaluation][e];
                for (int e = 0; e < branches * count; e++) prediction.View.Span[count + e] = (float)Null![evaluation][e];
                evaluation++;
            }
            double[] drawn = NoiseOf(r) ?? new double[count];
            for (int e = 0; e < count; e++) noise.View.Span[e] = (float)drawn[e];
            kernels.GuidedStep(r.ToKernelRow(), 0, new GuidedStepTensors
            {
                Prediction = r.Evaluates ? prediction : default(TensorView), Weight = r.Evaluates && branches > 0 ? weight : default(TensorView),
                BranchRow = r.Evaluates && branches > 0 ? branchRow : default(TensorView), Noise = noise, Z = z, History = h1, History2 = h2, History3 = h3, State = stored,
            });
            if (EndsStep(i)) states.Add([.. z.Values.Select(v => (double)v)]);
        }
        return states;
    }

    private static double Read(double weight, double[] history, int e) => weight == 0 ? 0 : weight * history[e];

    private bool EndsStep(int row) => row + 1 == Table.Rows.Count || Table.Rows[row + 1].StepIndex != Table.Rows[row].StepIndex;

    private double[]? NoiseOf(SamplerRow row)
    {
        int each = 1 + Table.Rows.Max(r => r.NoiseIndex), index = each * row.StepIndex + row.NoiseIndex;
        return row.C == 0 || row.NoNoise ? null : Noise[index];
    }
}
