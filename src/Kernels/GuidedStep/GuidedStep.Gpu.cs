using ILGPU;

namespace NativeDiffusion.Kernels;

public sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void GuidedStep(in GuidedStepRow row, ulong seed, in GuidedStepTensors tensors)
    {
        GuidedStepCheck.Require(row, tensors);
        TensorView z = tensors.Z, y = tensors.Y.IsEmpty ? z : tensors.Y, prediction = tensors.Prediction;
        int channels = z.Shape.Channels;
        bool doubled = prediction.Shape.Channels != channels, noisy = !row.NoNoise && (row.LearnedVariance || row.C != 0);
        var blocks = Blocks(z, y, tensors.Noise, tensors.History, tensors.State, tensors.Denoised);
        var kernel = new GuidedStepKernel
        {
            Prediction = View(prediction), Scale = View(tensors.Scale), NullRow = Indices(tensors.NullRow), SampleIndex = Indices(tensors.SampleIndex),
            Noise = View(tensors.Noise), Z = View(z), History = View(tensors.History), State = View(tensors.State), Denoised = View(tensors.Denoised),
            Y = View(y), Blocks = blocks, Key = new RandomKey(seed, (uint)row.StepIndex, RandomStream.StepNoise),
            XFromZ = row.XFromZ, XFromG = row.XFromG, A = row.A, B = row.B, E = row.E, P = row.P, Q = row.Q, C = row.C,
            Low = row.Clip ? row.ClipLow : float.NegativeInfinity, High = row.Clip ? row.ClipHigh : float.PositiveInfinity,
            VarianceSlope = 0.25f * (row.LogVarMax - row.LogVarMin), VarianceMiddle = 0.25f * (row.LogVarMax + row.LogVarMin),
            HistoryFromZ = row.HistoryFromZ, HistoryFromX = row.HistoryFromX,
            PredictedRows = prediction.Shape.Batch, HasNullRows = tensors.NullRow.IsEmpty ? 0 : 1,
            GuidedChannels = row.GuidedChannels > 0 && row.GuidedChannels < channels ? row.GuidedChannels : 0, StateChannels = channels,
            Channels = doubled ? channels : 0, PredictionVectors = InVectors(doubled ? channels : blocks.RowLength, prediction),
            Noisy = noisy ? 1 : 0, Draws = tensors.Noise.IsEmpty ? 1 : 0, LearnedVariance = row.LearnedVariance ? 1 : 0,
            StoreHistory = row.StoreHistory ? 1 : 0, StoreState = row.StoreState ? 1 : 0, StoreDenoised = tensors.Denoised.IsEmpty ? 0 : 1,
        };
        LaunchEach(kernel, blocks.Count);
    }
}

/// <summary>
/// Four elements of a sample for each thread: everything they need is read once, and written once after that, so that results may take the place of
/// what was read. Conditions are the same for all threads, apart from those on a sample's scale.
/// </summary>
internal struct GuidedStepKernel : IGpuKernel
{
    public ArrayView<float> Prediction, Scale, Noise, Z, History, State, Denoised, Y;
    public ArrayView<int> NullRow, SampleIndex;
    public RowBlocks Blocks;
    public RandomKey Key;
    public float XFromZ, XFromG, A, B, E, P, Q, C, Low, High, VarianceSlope, VarianceMiddle, HistoryFromZ, HistoryFromX;
    public int PredictedRows, HasNullRows, Noisy, Draws, LearnedVariance, StoreHistory, StoreState, StoreDenoised;

    /// <summary>Channels that are guided; 0 for all.</summary>
    public int GuidedChannels;
    public int StateChannels;

    /// <summary>Channels of a prediction that has as many for the variance; 0 where it has none.</summary>
    public int Channels;
    public int PredictionVectors;

    public readonly void Run()
    {
        var block = Blocks.Of((long)Grid.IdxX * Group.DimX + Group.IdxX);
        if (block.Count <= 0) return;
        int nullRow = HasNullRows != 0 ? NullRow[block.Row] : -1;
        float scale = nullRow < 0 ? 1f : Scale[block.Row];
        var places = Places(block);
        var z = Blocks.Load(Z, block);
        var g = Predicted(block, places, block.Row, 0);
        if (scale != 1f)
        {
            var e0 = LanesFour.Broadcast(float.NaN);
            if (nullRow < PredictedRows) e0 = Predicted(block, places, nullRow, 0);
            if (GuidedChannels != 0) e0 = HideUnguided(4 * block.Index % StateChannels, e0.Values, g.Values);
            g = LanesFour.MultiplyAdd(LanesFour.Broadcast(scale), g - e0, e0);
        }
        // In this order of arguments a NaN stays one.
        var x = LanesFour.Min(LanesFour.Broadcast(High), LanesFour.Max(LanesFour.Broadcast(Low), Sum(XFromG, g, XFromZ, z)));
        var y = Sum(B, x, A, z);
        if (E != 0f) y = LanesFour.MultiplyAdd(LanesFour.Broadcast(E), g, y);
        if (P != 0f) y = LanesFour.MultiplyAdd(LanesFour.Broadcast(P), Blocks.Load(History, block), y);
        if (Q != 0f) y = LanesFour.MultiplyAdd(LanesFour.Broadcast(Q), Blocks.Load(State, block), y);
        if (Noisy != 0)
        {
            var noise = Draws != 0 ? PhiloxFour.Normal(Key, (uint)SampleIndex[block.Row], (uint)block.Index) : Blocks.Load(Noise, block);
            y = LanesFour.MultiplyAdd(Deviation(block, places), noise, y);
        }
        if (StoreHistory != 0) Blocks.Store(History, block, Sum(HistoryFromX, x, HistoryFromZ, z));
        if (StoreState != 0) Blocks.Store(State, block, z);
        if (StoreDenoised != 0) Blocks.Store(Denoised, block, x);
        Blocks.Store(Y, block, y);
    }

    /// <summary>The null prediction with the conditional one in place of the channels that are not guided: between equals, no scale makes a difference.</summary>
    private readonly LanesFour HideUnguided(int channel, F4 unconditional, F4 conditional)
    {
        if (channel >= GuidedChannels) unconditional.X = conditional.X;
        channel = (channel + 1) % StateChannels;
        if (channel >= GuidedChannels) unconditional.Y = conditional.Y;
        channel = (channel + 1) % StateChannels;
        if (channel >= GuidedChannels) unconditional.Z = conditional.Z;
        channel = (channel + 1) % StateChannels;
        if (channel >= GuidedChannels) unconditional.W = conditional.W;
        return new LanesFour(unconditional);
    }

    private static LanesFour Sum(float a, LanesFour x, float b, LanesFour y) =>
        LanesFour.MultiplyAdd(LanesFour.Broadcast(a), x, LanesFour.Broadcast(b) * y);

    private readonly LanesFour Deviation(RowBlock block, StepPlaces places) => LearnedVariance == 0
        ? LanesFour.Broadcast(C)
        : LanesMath.Exp(LanesFour.MultiplyAdd(LanesFour.Broadcast(VarianceSlope), Predicted(block, places, block.Row, Channels), LanesFour.Broadcast(VarianceMiddle)));

    /// <summary>
    /// Where a block lies within a row of the prediction: as in the state, or, if pixels have twice as many channels there, further by those of the
    /// pixels before it, which may differ within the block.
    /// </summary>
    private readonly StepPlaces Places(RowBlock block)
    {
        var places = default(StepPlaces);
        int element = 4 * block.Index;
        places.X = element;
        if (Channels == 0) return places;
        int pixel = element / Channels, channel = element - pixel * Channels;
        places.X = (long)element + (long)pixel * Channels;
        channel = Next(channel);
        places.Y = places.X + 1 + (channel == 0 ? Channels : 0);
        channel = Next(channel);
        places.Z = places.Y + 1 + (channel == 0 ? Channels : 0);
        channel = Next(channel);
        places.W = places.Z + 1 + (channel == 0 ? Channels : 0);
        return places;
    }

    private readonly int Next(int channel) => channel + 1 == Channels ? 0 : channel + 1;

    /// <summary>A block of one row of the prediction, <paramref name="offset"/> channels further.</summary>
    private readonly LanesFour Predicted(RowBlock block, StepPlaces places, int row, int offset)
    {
        if (Channels == 0) return new(GpuLoad.Four(Prediction, (long)row * Blocks.RowLength + places.X, block.Count, PredictionVectors));
        long start = 2L * row * Blocks.RowLength + offset;
        if (PredictionVectors != 0) return new(Prediction.Cast<F4>()[(start + places.X) / 4]);
        var values = default(F4);
        values.X = Prediction[start + places.X];
        if (block.Count > 1) values.Y = Prediction[start + places.Y];
        if (block.Count > 2) values.Z = Prediction[start + places.Z];
        if (block.Count > 3) values.W = Prediction[start + places.W];
        return new(values);
    }
}

/// <summary>Where four elements lie in a row of the prediction.</summary>
internal struct StepPlaces
{
    public long X, Y, Z, W;
}
