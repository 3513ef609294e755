using NativeDiffusion.Kernels;
using NativeDiffusion.Tests.Noise;

namespace NativeDiffusion.Tests.FusedStep;

/// <summary>Random tensors for one call of the guided step, every second sample with a null half when there are more than one.</summary>
internal sealed class StepFixture : IDisposable
{
    public const ulong Seed = 0x1234567890;
    private readonly int[] _nullRows, _samples;

    public StepFixture(Shape shape, bool doubled, int seed = 1, float[]? scales = null)
    {
        Shape = shape;
        int rows = shape.Batch, nulls = 0;
        _nullRows = [.. Enumerable.Range(0, rows).Select(b => rows > 1 && b % 3 == 1 ? -1 : rows + nulls++)];
        _samples = [.. Enumerable.Range(0, rows).Select(b => 100 + 7 * b)];
        var random = new Random(seed);
        float Draw() => (float)(random.NextDouble() * 4 - 2);
        Scales = scales ?? [.. Enumerable.Range(0, rows).Select(b => 1 + 0.75f * b)];
        var predicted = shape.WithBatch(rows + nulls);
        Prediction = new GuardedTensor(doubled ? predicted.WithChannels(2 * shape.Channels) : predicted, _ => Draw());
        (Z, H1, H2) = (new GuardedTensor(shape, _ => Draw()), new GuardedTensor(shape, _ => Draw()), new GuardedTensor(shape, _ => Draw()));
        (Denoised, Y, Noise) = (new GuardedTensor(shape), new GuardedTensor(shape), new GuardedTensor(shape));
        Scale = new GuardedTensor(new Shape(rows), b => Scales[b]);
        NullRow = new GuardedTensor(_nullRows);
        SampleIndex = new GuardedTensor(_samples);
    }

    public Shape Shape { get; }

    public float[] Scales { get; }

    public GuardedTensor Prediction { get; }

    public GuardedTensor Z { get; }

    public GuardedTensor H1 { get; }

    public GuardedTensor H2 { get; }

    public GuardedTensor Denoised { get; }

    public GuardedTensor Y { get; }

    public GuardedTensor Noise { get; }

    public GuardedTensor Scale { get; }

    public GuardedTensor NullRow { get; }

    public GuardedTensor SampleIndex { get; }

    private GuardedTensor[] All => [Prediction, Z, H1, H2, Denoised, Y, Noise, Scale, NullRow, SampleIndex];

    public static implicit operator Shape(StepFixture fixture) => fixture.Shape;

    /// <summary>All that the step wrote.</summary>
    public float[] Results => [.. Y.Values, .. H1.Values, .. H2.Values, .. Denoised.Values];

    public void Run(CpuKernels kernels, GuidedStepRow row, bool inPlace = false, bool givenNoise = false) => kernels.GuidedStep(row, Seed, new GuidedStepTensors
    {
        Prediction = Prediction, Scale = Scale, NullRow = NullRow, SampleIndex = SampleIndex, Noise = givenNoise ? Noise : default(TensorView), Z = Z,
        History = H1, State = H2, Denoised = Denoised, Y = inPlace ? default(TensorView) : Y,
    });

    public void DrawNoise(CpuKernels kernels, GuidedStepRow row) =>
        kernels.NormalNoise(Seed, (uint)row.StepIndex, RandomStream.StepNoise, 1, SampleIndex, Noise);

    /// <summary>One sample of another fixture alone, with its null half behind it.</summary>
    public static StepFixture Slice(StepFixture whole, int sample)
    {
        var slice = new StepFixture(whole.Shape.WithBatch(1), whole.Prediction.View.Shape.Channels != whole.Shape.Channels, scales: [whole.Scales[sample]]);
        whole.Prediction.View.Rows(sample, 1).Span.CopyTo(slice.Prediction.View.Rows(0, 1).Span);
        if (whole._nullRows[sample] < 0) slice.NullRow.View.Span[0] = BitConverter.Int32BitsToSingle(-1);
        else whole.Prediction.View.Rows(whole._nullRows[sample], 1).Span.CopyTo(slice.Prediction.View.Rows(1, 1).Span);
        slice.SampleIndex.View.Span[0] = BitConverter.Int32BitsToSingle(whole._samples[sample]);
        foreach (var (from, to) in new[] { (whole.Z, slice.Z), (whole.H1, slice.H1), (whole.H2, slice.H2) })
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
        float[] y = new float[count], h1 = H1.Values, h2 = H2.Values, denoised = new float[count], z = Z.Values, noise = Noise.Values;
        for (int i = 0; i < count; i++)
        {
            var (ec, e0, nu) = Predicted(i);
            float s = Scales[i / length], g = ec;
            if (e0 is { } known && s != 1 && IsGuided(row, i)) g = multiplyAdd(s, ec - known, known);
            float x = multiplyAdd(row.XFromG, g, row.XFromZ * z[i]);
            if (row.Clip) x = Math.Min(Math.Max(x, row.ClipLow), row.ClipHigh);
            float next = multiplyAdd(row.B, x, row.A * z[i]);
            if (row.E != 0) next = multiplyAdd(row.E, g, next);
            if (row.P != 0) next = multiplyAdd(row.P, h1[i], next);
            if (row.Q != 0) next = multiplyAdd(row.Q, h2[i], next);
            float c = row.NoNoise ? 0 : row.LearnedVariance ? (float)Deviation(row, nu) : row.C;
            if (c != 0) next = multiplyAdd(c, noise[i], next);
            if (row.StoreHistory) h1[i] = multiplyAdd(row.HistoryFromX, x, row.HistoryFromZ * z[i]);
            if (row.StoreState) h2[i] = z[i];
            (y[i], denoised[i]) = (next, x);
        }
        return [.. y, .. h1, .. h2, .. denoised];
    }

    /// <summary>The formulas of the contract in double, and for each result the sum of the magnitudes that went into it.</summary>
    public (double[] Values, double[] Magnitudes) Oracle(GuidedStepRow row)
    {
        int count = (int)Shape.Count, length = (int)Shape.RowCount;
        double[] values = new double[4 * count], sizes = new double[4 * count];
        float[] z = Z.Values, h1 = H1.Values, h2 = H2.Values, samples = SampleIndex.Values;
        for (int i = 0; i < count; i++)
        {
            var (ec, e0, nu) = Predicted(i);
            double s = e0 is null || !IsGuided(row, i) ? 1 : Scales[i / length], other = e0 ?? 0;
            double g = other + s * (ec - other), sizeG = Math.Abs(s * ec) + Math.Abs((1 + s) * other);
            double x = row.XFromZ * z[i] + row.XFromG * g, sizeX = Math.Abs(row.XFromZ * z[i]) + Math.Abs(row.XFromG) * sizeG;
            if (row.Clip) x = Math.Clamp(x, row.ClipLow, row.ClipHigh);
            double c = row.NoNoise ? 0 : row.LearnedVariance ? Deviation(row, nu) : row.C;
            double n = c == 0 ? 0 : Philox.Normal(
                Seed, BitConverter.SingleToUInt32Bits(samples[i / length]), (uint)row.StepIndex, RandomStream.StepNoise, i % length);
            double[] terms = [row.A * z[i], row.B * x, row.E * g, row.P == 0 ? 0 : row.P * h1[i], row.Q == 0 ? 0 : row.Q * h2[i], c * n];
            Set(0, terms.Sum(), terms.Sum(Math.Abs) + Math.Abs(row.B) * sizeX + Math.Abs(row.E) * sizeG);
            double stored = row.StoreHistory ? row.HistoryFromZ * z[i] + row.HistoryFromX * x : h1[i];
            Set(1, stored, Math.Abs(row.HistoryFromZ * z[i]) + Math.Abs(row.HistoryFromX) * sizeX);
            Set(2, row.StoreState ? z[i] : h2[i], 0);
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

    private (float Conditional, float? Null, float Variance) Predicted(int i)
    {
        int length = (int)Shape.RowCount, channels = Shape.Channels, wide = Prediction.View.Shape.Channels, row = i / length;
        int at = i % length / channels * wide + i % channels, rowLength = length / channels * wide;
        var prediction = Prediction.View.Span;
        int nullRow = BitConverter.SingleToInt32Bits(NullRow.View.Span[row]);
        return (prediction[row * rowLength + at], nullRow < 0 ? null : prediction[nullRow * rowLength + at],
            wide == channels ? 0 : prediction[row * rowLength + at + channels]);
    }

    private static double Deviation(GuidedStepRow row, double nu)
    {
        double f = (nu + 1) / 2;
        return Math.Exp(0.5 * (f * row.LogVarMax + (1 - f) * row.LogVarMin));
    }
}
