using NativeDiffusion.Kernels;
using NativeDiffusion.Tests.Noise;

namespace NativeDiffusion.Tests.FusedStep;

/// <summary>Random tensors for one call of the guided step, every third sample without branches when there are more than one.</summary>
internal sealed class StepFixture : IDisposable
{
    public const ulong Seed = 0x1234567890;
    private readonly int[] _branchRows, _samples;
    private readonly int _branches;

    public StepFixture(Shape shape, bool doubled, int seed = 1, float[]? weights = null, int branches = 1, bool predicts = true)
    {
        (Shape, _branches, Predicts) = (shape, branches, predicts);
        int rows = shape.Batch, others = 0;
        _branchRows = [.. Enumerable.Range(0, rows).SelectMany(b => Enumerable.Range(0, branches).Select(k => rows > 1 && (b + k) % 3 == 1 ? -1 : rows + others++))];
        _samples = [.. Enumerable.Range(0, rows).Select(b => 100 + 7 * b)];
        var random = new Random(seed);
        float Draw() => (float)(random.NextDouble() * 4 - 2);
        // The first sample has weights of 1 and 0, which change nothing; with one branch, none has a conditional weight.
        Weights = weights ?? [.. Enumerable.Range(0, rows).SelectMany(b => Enumerable.Range(0, 1 + branches).Select(k => k == 0 ? branches > 1 && b > 0 ? 1 - 0.25f * b : 1 : 0.75f * b - 0.125f * (k - 1)))];
        var predicted = shape.WithBatch(rows + others);
        Prediction = new GuardedTensor(doubled ? predicted.WithChannels(2 * shape.Channels) : predicted, _ => Draw());
        (Z, H1, State) = (new GuardedTensor(shape, _ => Draw()), new GuardedTensor(shape, _ => Draw()), new GuardedTensor(shape, _ => Draw()));
        (Denoised, Y, Noise) = (new GuardedTensor(shape), new GuardedTensor(shape), new GuardedTensor(shape));
        Weight = new GuardedTensor(new Shape(rows, 1 + branches), i => Weights[i]);
        BranchRow = new GuardedTensor(new Shape(rows, branches), i => BitConverter.Int32BitsToSingle(_branchRows[i]));
        Limit = new GuardedTensor(new Shape(rows), b => 1 + 0.125f * b);
        Shift = new GuardedTensor(shape, _ => Draw());
        (H2, H3) = (new GuardedTensor(shape, _ => Draw()), new GuardedTensor(shape, _ => Draw()));
        SampleIndex = new GuardedTensor(_samples);
    }

    public Shape Shape { get; }

    /// <summary>Whether the step has a prediction.</summary>
    public bool Predicts { get; }

    /// <summary>Whether the clean sample has the sample's limit.</summary>
    public bool Limits { get; init; }

    public float[] Weights { get; }

    public GuardedTensor Prediction { get; }

    public GuardedTensor Z { get; }

    public GuardedTensor H1 { get; }

    public GuardedTensor H2 { get; }

    public GuardedTensor H3 { get; }

    public GuardedTensor State { get; }

    public GuardedTensor Denoised { get; }

    public GuardedTensor Y { get; }

    public GuardedTensor Noise { get; }

    public GuardedTensor Weight { get; }

    public GuardedTensor BranchRow { get; }

    public GuardedTensor Limit { get; }

    public GuardedTensor Shift { get; }

    public GuardedTensor SampleIndex { get; }

    private GuardedTensor[] All => [Prediction, Z, H1, H2, H3, State, Denoised, Y, Noise, Weight, BranchRow, SampleIndex, Limit, Shift];

    public static implicit operator Shape(StepFixture fixture) => fixture.Shape;

    /// <summary>All that the step wrote.</summary>
    public float[] Results => [.. Y.Values, .. H1.Values, .. State.Values, .. Denoised.Values, .. H2.Values, .. H3.Values];

    public void Run(IKernels kernels, GuidedStepRow row, bool inPlace = false, bool givenNoise = false) => kernels.GuidedStep(row, Seed, new GuidedStepTensors
    {
        Prediction = Predicts ? Prediction : default(TensorView), Weight = Predicts ? Weight : default(TensorView), BranchRow = Predicts ? BranchRow : default(TensorView),
        SampleIndex = SampleIndex, Noise = givenNoise ? Noise : default(TensorView), Z = Z, Limit = Limits ? Limit : default(TensorView), Shift = Shift,
        History = H1, History2 = H2, History3 = H3, State = State, Denoised = Denoised, Y = inPlace ? default(TensorView) : Y,
    });

    public void DrawNoise(IKernels kernels, GuidedStepRow row) =>
        kernels.NormalNoise(Seed, (uint)row.StepIndex, RandomStream.StepNoise, 1, SampleIndex, Noise);

    /// <summary>One sample of another fixture alone, with its branches behind it.</summary>
    public static StepFixture Slice(StepFixture whole, int sample)
    {
        int branches = whole._branches, columns = 1 + branches;
        var slice = new StepFixture(
            whole.Shape.WithBatch(1), whole.Prediction.View.Shape.Channels != whole.Shape.Channels, weights: whole.Weights[(sample * columns)..((sample + 1) * columns)],
            branches: branches, predicts: whole.Predicts) { Limits = whole.Limits };
        whole.Prediction.View.Rows(sample, 1).Span.CopyTo(slice.Prediction.View.Rows(0, 1).Span);
        for (int k = 0; k < branches; k++)
        {
            int row = whole._branchRows[sample * branches + k];
            if (row < 0) slice.BranchRow.View.Span[k] = BitConverter.Int32BitsToSingle(slice._branchRows[k] = -1);
            else whole.Prediction.View.Rows(row, 1).Span.CopyTo(slice.Prediction.View.Rows(1 + k, 1).Span);
        }
        slice.SampleIndex.View.Span[0] = BitConverter.Int32BitsToSingle(whole._samples[sample]);
        slice.Limit.View.Span[0] = whole.Limit.View.Span[sample];
        foreach (var (from, to) in new[] { (whole.Z, slice.Z), (whole.H1, slice.H1), (whole.H2, slice.H2), (whole.H3, slice.H3), (whole.State, slice.State), (whole.Shift, slice.Shift) })
            from.View.Rows(sample, 1).Span.CopyTo(to.View.Span);
        return slice;
    }

    /// <summary>
    /// The step written element by element, each product and sum by itself: with <paramref name="multiplyAdd"/> in float32, with the
    /// kernel's order
    /// of operations. Noise comes from <see cref="Noise"/>.
    /// </summary>
    public float[] Unfused(GuidedStepRow row, Func<float, float, float, float> multiplyAdd)
    {
        int count = (int)Shape.Count, length = (int)Shape.RowCount;
        float[] y = new float[count], h1 = H1.Values, h2 = H2.Values, h3 = H3.Values, state = State.Values, denoised = new float[count], z = Z.Values, noise = Noise.Values, shift = Shift.Values;
        for (int i = 0; i < count; i++)
        {
            var (p0, branches, nu) = Predicted(i);
            int sample = i / length;
            float m = WeightOf(sample, 0), g = m == 1 || !IsGuided(row, i) ? p0 : m * p0;
            for (int k = 0; k < branches.Length; k++)
                if (branches[k] is { } known && WeightOf(sample, 1 + k) is var w && w != 0 && IsGuided(row, i)) g = multiplyAdd(w, p0 - known, g);
            float x = multiplyAdd(row.XFromG, g, row.XFromZ * z[i]), p1 = (branches.Length == 0 || !IsGuided(row, i) ? null : branches[0]) ?? p0;
            if (Limits)
            {
                float q = Limit.View.Span[sample];
                x = Math.Min(Math.Max(x, -q), q) * (1 / q);
            }
            bool shifts = row.XFromShift != 0 || row.YFromShift != 0 || row.YFromVariance != 0, clipsLater = shifts && row.ClipAfterShift;
            if (!Limits && row.Clip && !clipsLater) x = Math.Min(Math.Max(x, row.ClipLow), row.ClipHigh);
            bool readsFirst = row.F != 0 || row.HistoryFromP1 != 0;
            if (shifts) x = multiplyAdd(row.XFromShift, shift[i], x);
            if (row.Clip && clipsLater) x = Math.Min(Math.Max(x, row.ClipLow), row.ClipHigh);
            float next = multiplyAdd(row.B, x, row.A * z[i]);
            if (row.E != 0) next = multiplyAdd(row.E, g, next);
            if (readsFirst) next = multiplyAdd(row.F, p1, next);
            if (row.P != 0) next = multiplyAdd(row.P, h1[i], next);
            if (row.P2 != 0) next = multiplyAdd(row.P2, h2[i], next);
            if (row.P3 != 0) next = multiplyAdd(row.P3, h3[i], next);
            if (row.Q != 0) next = multiplyAdd(row.Q, state[i], next);
            float c = row.LearnedVariance ? (float)Deviation(row, nu) : row.C;
            if (c != 0 && !row.NoNoise) next = multiplyAdd(c, noise[i], next);
            if (shifts) next = multiplyAdd(multiplyAdd(row.YFromVariance, c * c, row.YFromShift), shift[i], next);
            if (row.ShiftHistories > 1) h3[i] = h2[i];
            if (row.ShiftHistories > 0) h2[i] = h1[i];
            if (row.StoreHistory)
            {
                h1[i] = multiplyAdd(row.HistoryFromX, x, row.HistoryFromZ * z[i]);
                if (readsFirst) h1[i] = multiplyAdd(row.HistoryFromP1, p1, h1[i]);
            }
            if (row.StoreState) state[i] = z[i];
            (y[i], denoised[i]) = (next, x);
        }
        return [.. y, .. h1, .. state, .. denoised, .. h2, .. h3];
    }

    /// <summary>The formulas of the contract in double, and for each result the sum of the magnitudes that went into it.</summary>
    public (double[] Values, double[] Magnitudes) Oracle(GuidedStepRow row)
    {
        int count = (int)Shape.Count, length = (int)Shape.RowCount;
        double[] values = new double[6 * count], sizes = new double[6 * count];
        float[] z = Z.Values, h1 = H1.Values, h2 = H2.Values, h3 = H3.Values, state = State.Values, samples = SampleIndex.Values, shift = Shift.Values;
        for (int i = 0; i < count; i++)
        {
            var (p0, branches, nu) = Predicted(i);
            int sample = i / length;
            bool guided = IsGuided(row, i);
            double m = guided ? WeightOf(sample, 0) : 1, g = m * p0, sizeG = Math.Abs(m * p0);
            for (int k = 0; k < branches.Length; k++)
            {
                if (branches[k] is not { } known || !guided) continue;
                double w = WeightOf(sample, 1 + k);
                g += w * ((double)p0 - known);
                sizeG += Math.Abs(w) * (Math.Abs(p0) + Math.Abs(known));
            }
            double p1 = (branches.Length == 0 || !guided ? null : branches[0]) ?? p0;
            double x = row.XFromZ * z[i] + row.XFromG * g, sizeX = Math.Abs(row.XFromZ * z[i]) + Math.Abs(row.XFromG) * sizeG, q = Limit.View.Span[sample];
            if (Limits) x = Math.Clamp(x, -q, q) / q;
            else if (row.Clip && !row.ClipAfterShift) x = Math.Clamp(x, row.ClipLow, row.ClipHigh);
            x += row.XFromShift * shift[i];
            if (row.Clip && row.ClipAfterShift) x = Math.Clamp(x, row.ClipLow, row.ClipHigh);
            sizeX += Math.Abs(row.XFromShift * shift[i]);
            double c = row.LearnedVariance ? Deviation(row, nu) : row.C, moved = (row.YFromShift + row.YFromVariance * c * c) * shift[i];
            double n = c == 0 || row.NoNoise ? 0 : Philox.Normal(
                Seed, BitConverter.SingleToUInt32Bits(samples[sample]), (uint)row.StepIndex, RandomStream.StepNoise, i % length);
            double[] terms = [row.A * z[i], row.B * x, row.E * g, row.F * p1, row.P == 0 ? 0 : row.P * h1[i], row.P2 == 0 ? 0 : row.P2 * h2[i], row.P3 == 0 ? 0 : row.P3 * h3[i],
                row.Q == 0 ? 0 : row.Q * state[i], c * n, moved];
            Set(0, terms.Sum(), terms.Sum(Math.Abs) + Math.Abs(row.B) * sizeX + Math.Abs(row.E) * sizeG);
            double stored = row.StoreHistory ? row.HistoryFromZ * z[i] + row.HistoryFromX * x + row.HistoryFromP1 * p1 : h1[i];
            Set(1, stored, Math.Abs(row.HistoryFromZ * z[i]) + Math.Abs(row.HistoryFromX) * sizeX + Math.Abs(row.HistoryFromP1 * p1));
            Set(2, row.StoreState ? z[i] : state[i], 0);
            Set(4, row.ShiftHistories > 0 ? h1[i] : h2[i], 0);
            Set(5, row.ShiftHistories > 1 ? h2[i] : h3[i], 0);
            Set(3, x, sizeX);
            void Set(int which, double value, double size) => (values[which * count + i], sizes[which * count + i]) = (value, size);
        }
        return (values, sizes);
    }

    public void AssertGuardsIntact()
    {
        foreach (var tensor in All) tensor.AssertGuardsIntact("GuidedStep");
    }

    public void Dispose()
    {
        foreach (var tensor in All) tensor.Dispose();
    }

    private bool IsGuided(GuidedStepRow row, int i) => row.GuidedChannels == 0 || i % Shape.Channels < row.GuidedChannels;

    private float WeightOf(int sample, int k) => Predicts ? Weights[sample * (1 + _branches) + k] : 1;

    private (float Conditional, float?[] Branches, float Variance) Predicted(int i)
    {
        if (!Predicts) return (0, [], 0);
        int length = (int)Shape.RowCount, channels = Shape.Channels, wide = Prediction.View.Shape.Channels, row = i / length;
        int at = i % length / channels * wide + i % channels, rowLength = length / channels * wide;
        var prediction = Prediction.View.Span;
        var branches = new float?[_branches];
        for (int k = 0; k < _branches; k++)
            if (_branchRows[row * _branches + k] is var b && b >= 0) branches[k] = prediction[b * rowLength + at];
        return (prediction[row * rowLength + at], branches, wide == channels ? 0 : prediction[row * rowLength + at + channels]);
    }

    private static double Deviation(GuidedStepRow row, double nu)
    {
        double f = (nu + 1) / 2;
        return Math.Exp(0.5 * (f * row.LogVarMax + (1 - f) * row.LogVarMin));
    }
}
